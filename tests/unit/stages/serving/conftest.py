"""Fakes that the serving tests share: a clock, a journal in memory, models, challengers, and a desk over them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from noria.core.errors import Unavailable
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Prediction, Route, ServedVersion
from noria.stages.serving.desk import Desk
from noria.stages.serving.frames import Outcomes, Predictions, decode, spread
from noria.stages.serving.model import Served

SIGNATURE = Signature(
    inputs=(Field(name="tail", kind=Kind.TEXT), Field(name="distance", kind=Kind.FLOAT)),
    features=(Field(name="distance", kind=Kind.FLOAT), Field(name="wind", kind=Kind.FLOAT)),
    task=Task.BINARY,
    classes=("on-time", "late"),
    key="tail",
)


class FixedClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


class MemoryJournal:
    """Keeps frames; `full` makes it refuse them, `unsyncable` makes its disk fail."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.synced = 0
        self.full = self.unsyncable = self.closed = False

    def append(self, frames: Sequence[bytes]) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.frames.extend(frames)

    def sync(self) -> None:
        if self.unsyncable:
            raise OSError("input/output error")
        self.synced = len(self.frames)

    def close(self) -> None:
        self.closed = True

    def predictions(self) -> list[Prediction]:
        return [row for frame in map(decode, self.frames) if isinstance(frame, Predictions) for row in spread(frame)]

    def outcomes(self) -> list[Outcomes]:
        return [frame for frame in map(decode, self.frames) if isinstance(frame, Outcomes)]


class Sum:
    """Answers distance / 10,000 + wind / 100, and remembers how many rows each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, matrix: np.ndarray) -> np.ndarray:
        self.calls.append(len(matrix))
        if (matrix[:, 0] == 666).any():
            raise ArithmeticError("the number of the beast")
        answers = matrix[:, 0] / 10_000 + matrix[:, 1] / 100
        answers[matrix[:, 0] == 777] = np.nan
        return answers


class Winds:
    def served(self, rows: Sequence[Mapping[str, Any]], now_ms: int) -> dict[str, list[Any]]:
        return {"wind": [1.0] * len(rows)}


class FakeChallenger:
    """Answers 0.9, unless the next line of its `script`, or `always`, is an exception, a list of answers or seconds to sleep."""

    def __init__(self, version: ServedVersion) -> None:
        self.version = version
        self.script: list[Any] = []
        self.always: Any = None
        self.calls: list[int] = []
        self.closed = False

    async def answer(self, rows: Sequence[Any], now_ms: int, timeout_ms: float) -> tuple[list[Any], dict[str, list[Any]]]:
        self.calls.append(len(rows))
        doing = self.script.pop(0) if self.script else self.always
        if isinstance(doing, Exception):
            raise doing
        if isinstance(doing, float):
            await asyncio.sleep(doing)
        answers = doing if isinstance(doing, list) else [0.9] * len(rows)
        return answers, {"wind": [2.0] * len(rows)}

    async def close(self) -> None:
        self.closed = True


@dataclass
class Office:
    """A desk with all that it touches."""

    clock: FixedClock = field(default_factory=FixedClock)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    scorer: Sum = field(default_factory=Sum)
    loaded: list[ServedVersion] = field(default_factory=list)
    challengers: list[FakeChallenger] = field(default_factory=list)
    unloadable: set[int] = field(default_factory=set)
    desk: Desk = field(init=False)

    def open(self) -> Desk:
        self.desk = Desk(load=self.load, hire=self.hire, journal=self.journal, clock=self.clock, sync_every_s=0.005)
        return self.desk

    def load(self, version: ServedVersion) -> Served:
        self.loaded.append(version)
        if version.number in self.unloadable:
            raise ArithmeticError(f"v{version.number} is broken")
        return Served(version, scorer=self.scorer, lookup=Winds())

    async def hire(self, version: ServedVersion, told: Any = None) -> FakeChallenger:
        if version.number in self.unloadable:
            raise Unavailable("it ended at once")
        self.challengers.append(FakeChallenger(version))
        return self.challengers[-1]

    @staticmethod
    def version(number: int, **changes: Any) -> ServedVersion:
        return replace(ServedVersion(number=number, artifact=f"a{number}", code="c", signature=SIGNATURE), **changes)

    def plan(self, revision: int = 1, *, champion: int = 1, challenger: int | None = None, **changes: Any) -> Plan:
        route = Route(
            deployment="late",
            champion=self.version(champion),
            challenger=None if challenger is None else self.version(challenger),
            **{"salt": "s", "timeout_ms": 40.0, **changes},
        )
        return Plan(revision=revision, routes={"late": route})

    async def ask(self, *distances: float, **ids: str) -> list[Any]:
        return await self.desk.predict("late", [(None, {"tail": f"N{n}", "distance": d}) for n, d in enumerate(distances)])


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def at_work(office: Office) -> Callable[..., Any]:
    """Run a scenario against an open desk with a plan, and close the desk after it."""

    def run(scenario: Callable[[Office], Any], **plan: Any) -> Any:
        async def whole() -> Any:
            office.open()
            try:
                await office.desk.apply(office.plan(**plan))
                return await scenario(office)
            finally:
                await office.desk.close()

        return asyncio.run(whole())

    return run
