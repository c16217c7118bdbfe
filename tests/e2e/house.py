"""A whole Noria as a user would run it: a home on a turned clock, its servers as real processes, and traffic over HTTP.

Loaded by path (tests are no package).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from noria.app.processes import NAMES, end, pid_of
from noria.app.settings import Settings, keep, token
from noria.app.wiring import build, turnable_clock
from noria.cli.traffic import Sent, Stream
from noria.core.moments import to_ms
from noria.core.registry import AliasMove, ModelVersion
from noria.core.state import LoopState
from noria.core.turning import Event, Turn, TurnState
from noria.loop.states import state_of
from noria.loop.verbs import Verbs
from noria.stages.registry import aliases
from noria.stages.serving.plans import read_plan

PATIENCE_S = 120
HOURS = timedelta(hours=6)


def by_path(file: Path) -> ModuleType:
    """A module that is no part of a package."""
    spec = importlib.util.spec_from_file_location(f"noria_tests_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shop = by_path(Path(__file__).parents[1] / "loop" / "shop.py")

DECLARATION = """
import time
from pathlib import Path

import noria as nr
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

orders = nr.Dataset("shop", "history.parquet", key="order", time="at", expect=[nr.expect.unique("order")])
town = nr.Dataset("town", "town.parquet", key="city", time="at", known="known")

@nr.feature_view(town, entity="city", ttl="3d")
def heat(t):
    return t.select("city", "at", "heat")

@nr.on_demand(inputs=["a", "b"])
def product(rows):
    return rows.with_columns(ab=rows["a"] * rows["b"])

def train(data, params):
    if params["broken"]:
        raise RuntimeError("the oven is cold")
    while params["wait_for"] and not Path(params["wait_for"]).exists():
        time.sleep(0.05)
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(data.X, data.y)

loop = nr.Loop(
    "orders",
    features=[orders["a", "b"], heat, product],
    label=nr.Label(orders["returned"], delay="1d"),
    train=train,
    params={"broken": False, "wait_for": ""},
    gates=[nr.at_least(roc_auc=0.6), nr.approval()],
    rollout=nr.Canary(steps=[50, 100], min_rows=60, shadow_rows=60, guard=["errors"], timeout_ms=30_000),
    watch=[nr.freshness("400d")],
    retrain=nr.Retrain(window="60d"),
)
"""
UNWATCHED = DECLARATION.replace(", nr.approval()]", "]")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until(true: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> Any:
    """What `true` gives as soon as it is true."""
    deadline = time.monotonic() + patience_s
    while not (found := true()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s for {what}"
        time.sleep(0.03)
    return found


class House:
    """One home: its records, its processes and the shop that asks it. Everything is ended by `close`."""

    def __init__(
        self, folder: Path, *, declaration: str = DECLARATION, clock: str = "turned", lease_s: float = 1.0, **settings: str
    ) -> None:
        self.folder = folder
        self.home = folder / ".noria"
        self.shop = shop.Shop()
        shop.write_history(folder, self.shop, days=12, per_day=200)
        self.file = folder / "orders.py"
        self.file.write_text(declaration)
        self.now = shop.START + 12 * shop.DAY
        self.settings = keep(
            Settings(
                home=str(self.home),
                clock=clock,
                port=free_port(),
                serve_port=free_port(),
                compact_every="1s",
                look_every="6h" if clock == "turned" else "1s",
                bucket="6h",
                lease_s=lease_s,
                **settings,
            )
        )
        if clock == "turned":
            self.clock = turnable_clock(self.settings, start=self.now)
        self.world = build(self.settings)
        self.verbs = Verbs(self.world)
        self.started: list[subprocess.Popen[str]] = []
        self.acknowledged: set[str] = set()
        self.told: set[str] = set()

    # Processes

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """Start a process of this home in a session of its own."""
        (self.home / "run").mkdir(exist_ok=True)
        with (self.home / "run" / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                env=os.environ | env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def start_server(self, *name: str, port: int | None = None) -> subprocess.Popen[str]:
        """A control plane; `name` for a second one."""
        return self.start("-m", "noria.server", str(self.home), *name, **({"NORIA_PORT": str(port)} if port else {}))

    def start_dataplane(self) -> subprocess.Popen[str]:
        """The data plane, listening."""
        process = self.start("-m", "noria.dataplane", str(self.home))
        wait_until(lambda: self.plane("/health/live") is not None, "the data plane to listen")
        return process

    def close(self) -> None:
        """End everything that runs for this home, however it was started."""
        for name in NAMES:
            end(self.home, name, grace_s=5.0)
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        for group in self.home.glob("jobs/*/attempt-*/*.group"):
            with suppress(ProcessLookupError, ValueError):
                os.killpg(int(group.read_text()), signal.SIGKILL)
        self.world.records.close()  # type: ignore[attr-defined]

    # The control plane over HTTP

    def serves(self, port: int) -> bool:
        """Whether a control plane answers there."""
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=20).status_code == 200
        except httpx.TransportError:
            return False

    def settle(self, *, timeout_s: float = 5.0, port: int | None = None) -> bool:
        """Whether the control plane says that nothing is left to do at this moment."""
        url = f"http://127.0.0.1:{port or self.settings.port}/api/v1/settle"
        header = {"authorization": f"Bearer {token(self.settings)}"}
        try:
            answer = httpx.post(url, json={"at_ms": to_ms(self.now), "timeout_s": timeout_s}, headers=header, timeout=timeout_s + 20)
        except httpx.TransportError:
            return False
        return bool(answer.raise_for_status().json()["settled"])

    def settled(self) -> None:
        """Wait for `settle`."""
        wait_until(self.settle, "the control plane to come to rest")

    def pass_time(self) -> None:
        """Six hours go by."""
        self.now += HOURS
        self.clock.turn(self.now)

    # The data plane over HTTP

    def plane(self, path: str) -> dict[str, Any] | None:
        """A page of the data plane; None while it does not answer."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.settings.serve_port}{path}", timeout=20)
        except httpx.TransportError:
            return None
        return dict(answer.json())

    def follows_plan(self) -> bool:
        """Whether a plan with a route is out, and the data plane works by it."""
        out = read_plan(self.world.plan_file)
        told = self.plane("/plan")
        return bool(out and out.routes) and told is not None and told["revision"] == out.revision and not told["problems"]

    def ask(self, count: int, *, tell: bool = True) -> Sent:
        """That many orders arrive, each in its own request; what came of them is told at once."""
        orders = self.shop.orders(self.now, count)
        asked = [shop.as_request(order) for order in orders.to_dicts()]
        outcomes = [{"id": order, "value": value} for order, value in orders.select("order", "returned").iter_rows()]

        async def send() -> Sent:
            async with Stream("127.0.0.1", self.settings.serve_port, connections=8) as stream:
                sent = await stream.predict_many("orders", asked)
                if tell:
                    await stream.feedback("orders", outcomes)
                    self.told.update(str(outcome["id"]) for outcome in outcomes)
                return sent

        sent = asyncio.run(send())
        assert sent.failed == 0, sent.errors
        self.acknowledged.update(str(request["id"]) for request in asked)
        return sent

    def shadows_done(self) -> bool:
        """Whether the challenger has answered all that it was shown."""
        before = (self.plane("/plan") or {}).get("counters")
        time.sleep(0.1)
        return bool(before) and (self.plane("/plan") or {}).get("counters") == before

    # The records

    def turns(self) -> list[Turn]:
        """All turns, oldest first."""
        turns = self.world.documents.find(Turn)
        assert [turn.number for turn in turns] == list(range(1, len(turns) + 1))
        return turns

    def newest(self) -> Turn:
        """The newest turn."""
        return self.turns()[-1]

    def champion(self) -> int | None:
        """The champion's number."""
        return aliases.current(self.world.records, "orders", "champion")

    def moves(self, alias: str = "champion") -> list[AliasMove]:
        """Every move of an alias."""
        return aliases.history(self.world.records, "orders", alias)

    def versions(self) -> list[ModelVersion]:
        """Every registered version."""
        return self.world.documents.find(ModelVersion, where={"model": "orders"})

    def events(self) -> list[Event]:
        """The whole ledger, oldest first."""
        return self.world.ledger.events(limit=100_000)

    def state(self) -> LoopState:
        """Where the loop stands, as people see it."""
        return state_of(self.world.documents, "orders")

    def approve(self) -> None:
        """A person says yes."""
        self.verbs.approve("orders", granted=True, by="ada", reason="looks good")

    def runs(self, name: str = "server") -> bool:
        """Whether the home's process of that name runs."""
        return pid_of(self.home, name) is not None

    def live_through(self, *, settled: Callable[[], None] | None = None, rounds: int = 40) -> Turn:
        """Six hours after six hours of traffic, until the newest turn has ended; a person approves as soon as asked."""
        settled = settled or self.settled
        for _ in range(rounds):
            settled()
            turn = self.newest()
            if turn.state is not TurnState.OPEN:
                return turn
            if turn.step == "approval" and self.world.records.get("approval", turn.id) is None:
                self.approve()
                continue
            self.pass_time()
            settled()
            if self.champion() is not None and self.newest().state is TurnState.OPEN:
                wait_until(self.follows_plan, "the data plane to follow the plan")
                self.ask(190)  # too few for a hundred in either half, enough for both in two rounds: chance deals no other moment
                wait_until(self.shadows_done, "the challenger's last shadow answers")
        raise AssertionError(f"the turn did not end: {self.newest()}")

    def be_born(self) -> None:
        """The first version is trained, approved and champion."""
        self.verbs.up(self.file)
        wait_until(self.turns, "the first turn")
        self.live_through()
        assert self.champion() == 1, self.newest().outcome
        wait_until(self.follows_plan, "the data plane to serve the first champion")


@contextmanager
def house(folder: Path, **how: Any) -> Iterator[House]:
    """A house that is ended whatever happens in it."""
    made = House(folder, **how)
    try:
        yield made
    except BaseException:
        log = made.home / "run" / "processes.log"
        print(log.read_text(errors="replace")[-4_000:] if log.exists() else "")
        raise
    finally:
        made.close()
