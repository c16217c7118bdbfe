"""A whole Noria in one process: real stations, records in memory, jobs done on the spot, and clocks turned by hand."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from noria.adapters.files import Files
from noria.adapters.journal_files import FileJournalReader, FileJournalWriter
from noria.adapters.lmdb import Lmdb
from noria.app.prediction import families
from noria.core.errors import NoriaError, Unavailable
from noria.core.moments import to_ms
from noria.core.notices import Notice, Told
from noria.core.traffic import Answer, Feedback, ServedVersion
from noria.core.turning import Event, Turn, TurnState
from noria.durable.engine import Engine
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.loop.duty import Duty
from noria.loop.source import load, named, scoped
from noria.loop.verbs import Verbs
from noria.loop.wheel import Wheel
from noria.loop.work import work
from noria.loop.world import Cadence, World
from noria.packaging import package
from noria.ports.launcher import JobState
from noria.ports.notify import Channel
from noria.stages.features.online import Lookup
from noria.stages.serving.desk import Desk
from noria.stages.serving.family import Loaders, loader
from noria.stages.serving.faults import Faulty
from noria.stages.serving.lazily import Loading
from noria.stages.serving.model import Row, Served
from noria.stages.serving.plans import read_plan
from noria.stages.training.snapshot import restore_code
from noria.testing.memory import MemoryRecords


def _shop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("noria_tests_shop", Path(__file__).with_name("shop.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shop = _shop()
START, DAY = shop.START, shop.DAY


class TurnedByHand:
    """A clock that a test turns."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class OnTheSpot:
    """A launcher that does the job before it returns."""

    def __init__(self, do: Callable[[Path], None]) -> None:
        self._do = do
        self._states: dict[str, JobState] = {}

    def launch(self, job: str, command: Sequence[str], *, folder: Path, env: object = None) -> None:
        if job in self._states:
            return
        try:
            self._do(Path(command[-1]))
        except NoriaError:
            self._states[job] = JobState(state="failed", exit_code=1)
        else:
            self._states[job] = JobState(state="succeeded", exit_code=0)

    def poll(self, job: str, *, folder: Path) -> JobState:
        return self._states.get(job, JobState(state="lost"))

    def stop(self, job: str, *, folder: Path, grace_s: float = 5.0) -> None:
        return


class Untold:
    """One channel that tells nobody, and remembers."""

    def __init__(self) -> None:
        self.told: list[Notice] = []

    def all(self) -> list[Channel]:
        return [Channel(name="nobody", notify=self)]

    def tell(self, notice: Notice) -> Told:
        self.told.append(notice)
        return Told(arrived=True)


class InThisProcess:
    """A challenger without a process: faults raise instead of ending it."""

    def __init__(self, served: Served) -> None:
        self._faulty = Faulty(served, sleep=lambda s: None, end=self._crash)
        self._slow = served.version.fault == "slow"

    @staticmethod
    def _crash(code: int) -> None:
        raise Unavailable("the challenger's process ended")

    async def answer(self, rows: Sequence[Row], now_ms: int, timeout_ms: float) -> tuple[list[Answer | None], dict]:
        if self._slow:
            raise Unavailable(f"no answer within {timeout_ms:.0f} ms")
        answers, served = self._faulty.answer(rows, now_ms, timeout_ms)
        return list(answers), served

    async def close(self) -> None:
        return


class Noria:
    """Everything, in one process; `day()` lets one day of orders flow."""

    def __init__(
        self,
        folder: Path,
        *,
        history_days: int = 30,
        per_day: int = 300,
        margin: float = 0.01,
        seed: int = 7,
        declaration: str = shop.DECLARATION,
    ) -> None:
        self.folder, self.per_day = folder, per_day
        self.shop = shop.Shop(seed)
        self.clock, self.wall = TurnedByHand(START + history_days * DAY), TurnedByHand(START)
        self.today = START + history_days * DAY
        self.asked = self.failed = 0
        self.waiting: list[tuple[datetime, dict]] = []
        shop.write_history(folder, self.shop, days=history_days, per_day=per_day)
        (folder / "shop.py").write_text(declaration.replace("MARGIN", str(margin)))
        self.world = self.build()
        self.wheel = Wheel(self.world, duty=Duty(self.world.records, wall=self.wall, owner="test"))
        self.verbs = Verbs(self.world)
        self._loop = asyncio.new_event_loop()
        self.journal = FileJournalWriter(self.world.home / "journal", "predictions")
        self.desk = self._on(self._open_desk())
        self._revision = 0

    def build(self) -> World:
        home = self.folder / ".noria"
        records, blobs = MemoryRecords(), Files(home / "blobs")
        (home / "scratch").mkdir(parents=True)
        return World(
            home=home,
            records=records,
            blobs=blobs,
            online=Lmdb(home / "online.lmdb", map_size=1 << 24),
            journal=FileJournalReader(home / "journal"),
            launcher=OnTheSpot(lambda folder: work(folder, blobs=blobs, scratch=home / "scratch")),
            channels=Untold(),
            clock=self.clock,
            wall=self.wall,
            ledger=Ledger(records, clock=self.clock, wall=self.wall),
            documents=Documents(records),
            engine=Engine(records, clock=self.clock, wall=self.wall, owner="test"),
            job_command=("job",),
            cadence=Cadence(compact=timedelta(0), look=timedelta(hours=1), bucket=timedelta(hours=6)),
        )

    def settle(self, most: int = 60) -> None:
        """Pass after pass until nothing is left to do at this moment."""
        for _ in range(most):
            if not self.wheel.once():
                break
        else:
            raise AssertionError("the wheel never came to rest")
        self._follow_plan()

    def be_born(self) -> None:
        self.verbs.up(self.folder / "shop.py")
        self.settle()

    def days(self, count: int, *, parts: int = 4) -> None:
        for _ in range(count):
            self.day(parts=parts)

    def day(self, *, parts: int = 4) -> None:
        """One day: orders in `parts` batches, outcomes a day later, the wheel after each batch."""
        orders = self.shop.orders(self.today, self.per_day)
        for part in range(parts):
            self.clock.at = self.today + part * DAY / parts
            self.wall.at += timedelta(seconds=1)
            self.settle()
            rows = orders[part * len(orders) // parts : (part + 1) * len(orders) // parts]
            self._ask(rows)
            self._tell()
        self.today += DAY
        self.clock.at = self.today
        self.settle()

    def turns(self) -> list[Turn]:
        turns = self.world.documents.find(Turn)
        for turn in turns:
            broken = [step.error for step in self.world.engine.steps(turn.id) if step.error]
            assert turn.state is not TurnState.FAILED, "\n".join(broken)
        return turns

    def states(self) -> list[TurnState]:
        return [turn.state for turn in self.turns()]

    def events(self, kind: str = "") -> list[Event]:
        return self.world.ledger.events(loop="orders", kind=kind, limit=10_000)

    def close(self) -> None:
        self._on(self.desk.close())
        self._loop.close()

    async def _open_desk(self) -> Desk:
        async def hire(version: ServedVersion, told: object = None) -> InThisProcess:
            return InThisProcess(self._served(version))

        return Desk(load=self._served, hire=hire, journal=self.journal, clock=self.clock, sync_every_s=0.005)

    def _served(self, version: ServedVersion) -> Served:
        world = self.world
        file = restore_code(version.code, world.home / "dataplane" / version.code[7:19], blobs=world.blobs)
        loop = named(load(file), version.loop)
        lookup = Lookup(scoped(loop, version.code), online=world.online, inputs=version.signature.inputs, fields=version.signature.features)
        scorers = partial(package.load, blobs=world.blobs)
        kin = Loaders(family=families(world.blobs), scorer=scorers, loading=Loading())
        return loader(scorers, lambda _: lookup, kin)(version)

    def _follow_plan(self) -> None:
        plan = read_plan(self.world.plan_file)
        if plan is not None and plan.revision != self._revision:
            self._on(self.desk.apply(plan))
            self._revision = plan.revision
            assert not self.desk.problems()

    def _ask(self, rows: pl.DataFrame) -> None:
        sendable = rows.drop("returned").with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")).to_dicts()
        truth = dict(zip(rows["order"].to_list(), rows["returned"].to_list(), strict=True))

        async def ask() -> None:
            results = await asyncio.gather(
                *(self.desk.predict("orders", [(row["order"], row)]) for row in sendable), return_exceptions=True
            )
            self.failed += sum(isinstance(result, BaseException) for result in results)
            await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)

        self._on(ask())
        self.asked += len(sendable)
        due = self.clock.at + DAY
        self.waiting += [(due, {"id": order, "value": returned}) for order, returned in truth.items()]

    def _tell(self) -> None:
        due = [told for at, told in self.waiting if at <= self.clock.at]
        self.waiting = [(at, told) for at, told in self.waiting if at > self.clock.at]
        outcomes = [
            Feedback(request_id=told["id"], deployment="orders", value=bool(told["value"]), time_ms=to_ms(self.clock.at)) for told in due
        ]
        if outcomes:
            self._on(self.desk.feedback("orders", outcomes))

    def _on(self, coroutine):  # type: ignore[no-untyped-def]
        return self._loop.run_until_complete(coroutine)


@pytest.fixture()
def shop_declaration() -> str:
    return str(shop.DECLARATION)


@pytest.fixture()
def noria(tmp_path: Path):
    made: list[Noria] = []

    def make(**how: object) -> Noria:
        made.append(Noria(tmp_path, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture()
def declaration() -> str:
    return shop.DECLARATION
