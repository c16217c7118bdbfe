"""Replay recorded traffic through the whole loop over real HTTP, on an event clock that the replay turns."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import uvloop

from noria.app.settings import Settings, token
from noria.app.supervisor import addresses
from noria.app.wiring import turnable_clock
from noria.cli.console import AsJson, Home, LoopName, answer, plainly
from noria.cli.opened import Opened
from noria.cli.traffic import Columns, Slice, Stream, slices
from noria.core.errors import NotAllowed, Unavailable
from noria.core.moments import to_ms
from noria.core.traffic import Role
from noria.loop.enrol import in_force
from noria.loop.parity import declared_by, parity_of, sources
from noria.loop.planning import CHAMPION
from noria.loop.states import state_of
from noria.ports.clock import TurnableClock
from noria.stages.registry import aliases, versions
from noria.stages.serving import log

OUTCOMES_EVERY = timedelta(hours=6)
"""Outcomes are told in batches, each with its own time."""


@dataclass(slots=True)
class Progress:
    """How far a replay is; filled while it runs.

    Attributes:
        failed: Requests that got no answer. The promise is that this stays 0.
    """

    start: datetime | None = None
    now: datetime | None = None
    end: datetime | None = None
    requests: int = 0
    failed: int = 0
    fallbacks: int = 0
    challenger: int = 0
    outcomes: int = 0
    resent: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)


class Replay:
    """Sends recorded slices one after the other; event time stands still while the control plane works.

    So a turn that takes twenty seconds of training takes no event time: what is decided does not
    depend on how fast the machine is.
    """

    def __init__(self, settings: Settings, loop: str, clock: TurnableClock, *, connections: int = 32) -> None:
        self._settings = settings
        self._loop = loop
        self._clock = clock
        self._connections = connections
        self._where = addresses(settings)
        self.progress = Progress()
        self.stopped = False

    async def run(self, recorded: list[Slice] | Any, *, until: datetime | None = None) -> Progress:
        """Replay every slice, in order.

        Raises:
            Unavailable: the control plane or the data plane went away for longer than a restart takes.
        """
        began = time.perf_counter()
        told: list[dict[str, Any]] = []
        tell_at: datetime | None = None
        async with (
            Stream(self._settings.host, self._settings.serve_port, connections=self._connections) as stream,
            self._control() as control,
        ):
            for part in recorded:
                if self.stopped or (until is not None and part.start >= until):
                    break
                tell_at = tell_at or part.start + OUTCOMES_EVERY
                self._clock.turn(part.start)
                if part.requests:
                    await self._settled(control, part.start)
                    await self._ask(stream, part)
                told += part.outcomes
                if part.end >= tell_at and told:
                    self.progress.outcomes += await stream.feedback(self._loop, told)
                    told, tell_at = [], part.end + OUTCOMES_EVERY
                self.progress.start = self.progress.start or part.start
                self.progress.now, self.progress.seconds = part.end, time.perf_counter() - began
            if told and not self.stopped:
                self.progress.outcomes += await stream.feedback(self._loop, told)
            if self.progress.now is not None:
                self._clock.turn(self.progress.now)
                await self._settled(control, self.progress.now)
        return self.progress

    async def ready(self) -> None:
        """Return when the loop has a champion and the data plane serves it."""
        async with self._control() as control:
            while not self.stopped:
                await self._settled(control, self._clock.now())
                told = await self._plan()
                if self._loop in (told.get("versions") or {}):
                    return
                loop = (await control.get(f"/api/v1/loops/{self._loop}")).json()
                if str(loop.get("phase", "")) == "newborn" and loop.get("last_turn_at"):
                    raise NotAllowed(f"{self._loop} could not be born", fix=f"read `noria why {self._loop}`")
                await asyncio.sleep(0.1)

    async def _ask(self, stream: Stream, part: Slice) -> None:
        if not part.requests:
            return
        sent = await stream.predict_many(self._loop, [body for _, body in part.requests])
        progress = self.progress
        progress.requests += sent.answered + sent.failed
        progress.failed += sent.failed
        progress.resent += sent.resent
        progress.fallbacks += sent.roles.get(Role.FALLBACK, 0)
        progress.challenger += sent.roles.get(Role.CHALLENGER, 0)
        progress.errors += list(sent.errors)[: max(0, 5 - len(progress.errors))]

    def _control(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._where["server"], headers={"authorization": f"Bearer {token(self._settings)}"}, timeout=120.0
        )

    async def _settled(self, control: httpx.AsyncClient, at: datetime) -> None:
        """Wait until the control plane has nothing left to do at `at`; one that restarts is waited for."""
        patience = time.monotonic() + 120
        while not self.stopped:
            try:
                told = await control.post("/api/v1/settle", json={"at_ms": to_ms(at), "timeout_s": 30})
                told.raise_for_status()
                if told.json().get("settled"):
                    return
                patience = time.monotonic() + 120
            except httpx.HTTPError as error:
                if time.monotonic() > patience:
                    raise Unavailable(f"the control plane went away: {error}", fix="`noria up` starts it") from error
                await asyncio.sleep(0.3)

    async def _plan(self) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self._where["dataplane"], timeout=10.0) as plane:
            try:
                return dict((await plane.get("/plan")).json())
            except httpx.HTTPError:
                return {}


@plainly
def replay(
    traffic: Annotated[
        Path, typer.Argument(help="Parquet of recorded requests: id, time, inputs, label and when it was told.", exists=True)
    ],
    loop: LoopName = None,
    home: Home = None,
    until: Annotated[datetime | None, typer.Option(help="Stop at this event time (UTC).")] = None,
    id_column: Annotated[str, typer.Option("--id", help="Column with the request's id; the label dataset's key when left out.")] = "",
    time_column: Annotated[str, typer.Option("--time", help="Column with the request's time; the label dataset's when left out.")] = "",
    label_column: Annotated[
        str, typer.Option("--label", help="Column with the outcome, empty where it was never told; the loop's when left out.")
    ] = "",
    told_column: Annotated[str, typer.Option("--told", help="Column with the time at which the outcome was told.")] = "outcome_at",
    as_json: AsJson = False,
) -> None:
    """Replay recorded traffic through a home whose clock is turned, to choose policies before production."""
    opened = Opened(home)
    if opened.settings.clock != "turned":
        raise NotAllowed("this home runs on the system's clock", fix="make one for replays: NORIA_CLOCK=turned noria up FILE.py --home DIR")
    name = opened.loop(loop)
    label = in_force(opened.world, state_of(opened.world.documents, name)).loop.label
    columns = Columns(
        id=id_column or label.columns.dataset.key,
        time=time_column or label.columns.dataset.time,
        label=label_column or label.column,
        told=told_column,
    )
    recorded = slices(traffic, columns=columns)
    first = next(recorded)
    task = Replay(opened.settings, name, turnable_clock(opened.settings, start=first.start))
    last = until.replace(tzinfo=UTC) if until and until.tzinfo is None else until

    async def whole() -> Progress:
        await task.ready()
        await task.run(_chained(first, recorded), until=last)
        return task.progress

    progress = uvloop.run(whole())
    answer(progress, as_json=as_json, text=in_words(progress))


@plainly
def parity(
    loop: LoopName = None,
    rows: Annotated[int, typer.Option(help="How many of the newest logged requests to check.")] = 5_000,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Prove that features online equal features offline: recompute logged requests and compare bit by bit."""
    opened = Opened(home)
    name = opened.loop(loop)
    report = check_parity(opened, name, rows)
    text = f"[bold]{name}[/]: {report.equal:.2%} of {report.rows:,} logged feature vectors are bit-equal offline"
    answer(
        report,
        as_json=as_json,
        text=text + "".join(f"\n  {feature}: {count:,} differ" for feature, count in report.differing.items() if count),
    )


def check_parity(opened: Opened, name: str, rows: int) -> Any:
    """Recompute the newest logged requests of the champion's own code offline and compare."""
    world = opened.world
    number = aliases.current(world.records, name, CHAMPION)
    if number is None:
        raise NotAllowed(f"{name} has no champion yet", fix="`noria status` shows what is under way")
    version = versions.get(world.records, name, number)
    declared = declared_by(world, name, version)
    logged = log.predictions(world.log_folder, name, roles=(Role.CHAMPION, Role.FALLBACK), versions=[number]).tail(rows)
    return parity_of(world, declared, version, logged, sources(world, declared))


def in_words(progress: Progress) -> str:
    """A replay's account as one paragraph."""
    rate = progress.requests / progress.seconds if progress.seconds else 0.0
    failed = f"[green]{progress.failed} failed[/]" if not progress.failed else f"[red]{progress.failed:,} failed[/]"
    lines = [
        f"{progress.requests:,} requests in {progress.seconds:.0f} s ({rate:,.0f}/s), {failed}",
        f"{progress.challenger:,} answered by a challenger, {progress.fallbacks:,} by the champion in a failing challenger's place",
        f"{progress.outcomes:,} outcomes told",
    ]
    return "\n".join([*lines, *(f"[red]{error}[/]" for error in progress.errors)])


def _chained(first: Slice, rest: Any) -> Any:
    yield first
    yield from rest
