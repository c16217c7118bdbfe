"""A request on its way through the desk: its rows travel alone and come together again in one answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.rows import Values
from noria.core.traffic import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How one call wants to be answered.

    Attributes:
        version: The number of the version that shall answer, of those at work; None leaves it to the route.
        role: CHAMPION or CHALLENGER shall answer, whatever its number; None leaves it to the route.
    """

    version: int | None = None
    role: Role | None = None


PLAIN = Asking()


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One row's answer as its caller reads it.

    Attributes:
        prediction: The score or value; class to probability, quantile or name to value, or a vector's numbers.
        label: The class that a classifier would name, else None.
    """

    id: str
    version: int
    prediction: float | dict[str, float] | list[float]
    role: Role
    label: str | None = None


Failure = Unavailable | RequestInvalid
"""Why a row has no answer: whoever should have given it could not, or it lacks what only the one who was to answer requires."""

Ended = Callable[[Sequence[Answered] | Failure], None]
"""Gets a call's answers in the order that they were asked, or why there are none; called once, in the event loop."""


class Waiting(Protocol):
    """Whoever waits for rows.

    Attributes:
        time_ms, arrived_s: Event time, and the process's own clock, of their arrival.
        depth: How many graphs have passed them on.
    """

    time_ms: int
    arrived_s: float

    @property
    def depth(self) -> int: ...  # noqa: D102

    def settle(self, place: int, outcome: Answered | Failure) -> None:
        """Take one row's end."""
        ...

    def fail(self, error: BaseException) -> None:
        """End all of it now: the desk itself is at fault."""
        ...


class Request:
    """Waits for all rows of one call."""

    __slots__ = ("_answers", "_ended", "_failure", "_left", "arrived_s", "time_ms")
    depth = 0

    def __init__(self, rows: int, *, time_ms: int, arrived_s: float, ended: Ended) -> None:
        self.time_ms = time_ms
        self.arrived_s = arrived_s
        self._ended = ended
        self._answers: list[Answered | None] = [None] * rows
        self._left = rows
        self._failure: Failure | None = None

    def settle(self, place: int, outcome: Answered | Failure) -> None:
        """Take one row's end; the last one ends the request. One failed row fails the call."""
        if isinstance(outcome, Answered):
            self._answers[place] = outcome
        else:
            self._failure = self._failure or outcome
        self._left -= 1
        if self._left == 0:
            self._ended(self._failure or [answer for answer in self._answers if answer is not None])

    def fail(self, error: BaseException) -> None:
        """End it now: the desk itself is at fault, and nobody shall wait for ever."""
        if self._left > 0:
            self._left = -1
            self._ended(Unavailable(f"the desk failed: {type(error).__name__}: {error}"))


class EachRow:
    """Waits for rows that a graph asks a member, for a while; each has an end of its own.

    Args:
        depth: How many graphs have passed them on, this one included.
    """

    __slots__ = ("_done", "_left", "_outcomes", "arrived_s", "depth", "time_ms")

    def __init__(self, rows: int, *, time_ms: int, arrived_s: float, depth: int) -> None:
        self.time_ms = time_ms
        self.arrived_s = arrived_s
        self.depth = depth
        self._outcomes: list[Answered | Failure | None] = [None] * rows
        self._left = rows
        self._done = asyncio.Event()

    def settle(self, place: int, outcome: Answered | Failure) -> None:
        """Take one row's end; what comes after the time is over is nobody's."""
        self._outcomes[place] = outcome
        self._left -= 1
        if self._left == 0:
            self._done.set()

    def fail(self, error: BaseException) -> None:
        """End what is open now: the desk itself is at fault."""
        fault = Unavailable(f"the desk failed: {type(error).__name__}: {error}")
        self._outcomes = [fault if outcome is None else outcome for outcome in self._outcomes]
        self._done.set()

    async def ended(self, within_s: float, late: Unavailable) -> list[Answered | Failure]:
        """What came of each row; `late` of those that have not ended in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._done.wait()
        return [late if outcome is None else outcome for outcome in self._outcomes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A challenger's failed try at a row that the champion answers now."""

    version: int
    error: str
    latency_us: int


UNSEEN = frozenset({Role.SHADOW, Role.CONTROL})
"""Roles of answers that nobody waits for."""


class Ask:
    """One row for one version.

    Attributes:
        row: Its values, in the order of the route's fields.
        kept: Whether the prediction log keeps it.
        tried: Set when a challenger failed on it.
        chance: With which it was dealt to the version that it goes to; None where nothing was dealt.
    """

    __slots__ = ("chance", "id", "kept", "key", "place", "request", "role", "row", "tried")

    def __init__(self, request: Waiting, place: int, id: str, key: str, row: Values, kept: bool, role: Role) -> None:
        self.request = request
        self.place = place
        self.id = id
        self.key = key
        self.row = row
        self.kept = kept
        self.role = role
        self.tried: Tried | None = None
        self.chance: float | None = None

    def beside(self, role: Role) -> Ask:
        """The same row for another version."""
        return Ask(self.request, self.place, self.id, self.key, self.row, self.kept, role)

    def fail(self, error: BaseException) -> None:
        """End its request; the failure of an answer that nobody waits for is no affair of the user's."""
        if self.role not in UNSEEN:
            self.request.fail(error)

    def latency_us(self, now_s: float) -> int:
        """Microseconds since its request arrived."""
        return int((now_s - self.request.arrived_s) * 1e6)


MOST_AT_ONCE = 1_000
"""Rows that one call computes: some milliseconds of most models' time."""


class Tick:
    """Collects what arrives in one tick of the event loop and hands it over in one call; nothing ever waits for more.

    A flood is handed over in parts, with a turn of the loop between them, so that it never keeps
    others from being heard. For one thread: the event loop's.
    """

    __slots__ = ("_asks", "_flush")

    def __init__(self, flush: Callable[[list[Ask]], None]) -> None:
        self._flush = flush
        self._asks: list[Ask] = []

    def add(self, ask: Ask) -> None:
        """Hand it over with all others that arrive before the loop comes round."""
        self._asks.append(ask)
        if len(self._asks) == 1:
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        asks, self._asks = self._asks[:MOST_AT_ONCE], self._asks[MOST_AT_ONCE:]
        if self._asks:
            asyncio.get_running_loop().call_soon(self._turn)
        try:
            self._flush(asks)
        except Exception as error:
            for ask in asks:
                ask.fail(error)
            raise
