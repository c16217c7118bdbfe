"""How rows are answered: by the champion, here and now; by a challenger, with the champion behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.core.traffic import Answer, Role, ServedVersion
from noria.stages.serving.asks import Answered, Ask, Tick, Tried
from noria.stages.serving.breaker import Breaker, Gate
from noria.stages.serving.computed import Computed, checked, failed, frame, picked, reason
from noria.stages.serving.ending import Books, Ending
from noria.stages.serving.model import Served, speaking

SHADOW_LIMIT = 10_000
"""Rows that may wait for a shadow's answer; more are not shown to it."""
SPARED = "spared after repeated timeouts"


class Challenger(Protocol):
    """A version that answers from its own process."""

    async def answer(self, rows: Rows, now_ms: int, timeout_ms: float) -> tuple[Sequence[Answer | None], Mapping[str, Sequence[Any]]]:
        """As `Served.answer`. May be cancelled: the caller keeps the time.

        Raises:
            Unavailable: its process is gone, or it failed on these rows.
        """
        ...

    async def close(self) -> None:
        """End its process."""
        ...


class ChampionLane:
    """Answers in this process, all rows of one tick in one call.

    It is no part of a circle of references: a model that is let go gives its memory back at once, not when
    the collector of such circles comes by, which may be long after.

    Args:
        names: The fields of every row that it takes, in order.
    """

    __slots__ = ("_work", "control", "served", "take")

    def __init__(self, served: Served, books: Books, names: Sequence[str]) -> None:
        self.served = served
        self._work = _Champion(served, books, names)
        self.take = Tick(self._work.answer).add
        self.control = Tick(self._work.answer_behind).add

    async def computed(self, asks: Sequence[Ask]) -> list[Computed]:
        """Answers to rows in their order, in parts, for whoever settles them."""
        return list(self._work.compute(asks))


class _Champion:
    """What a champion's lane does with the rows of one tick."""

    __slots__ = ("_ending", "_names", "_served")

    def __init__(self, served: Served, books: Books, names: Sequence[str]) -> None:
        self._served = served
        self._names = names
        self._ending = Ending(served.version, books, names)

    def answer(self, asks: list[Ask]) -> None:
        """Answer users."""
        self._ending.finish(asks, list(self.compute(asks)))

    def answer_behind(self, asks: list[Ask]) -> None:
        """Controls go behind the rows of this tick that a user waits for."""
        asyncio.get_running_loop().call_soon(self._answer_unseen, asks)

    def _answer_unseen(self, asks: list[Ask]) -> None:
        """Answer what the challenger answers to users, for the record alone."""
        self._ending.unseen(list(self.compute(asks)))

    def compute(self, asks: Sequence[Ask]) -> Iterator[Computed]:
        """One computation for all; when it fails, one for each row, so that no row fails its neighbours."""
        rows = Rows(self._names, [ask.row for ask in asks])
        try:
            answers, served = self._served.answer(rows, asks[-1].request.time_ms)
        except Exception as error:  # noqa: BLE001 - user code and models raise anything; it is recorded with the row
            if len(asks) > 1:
                for ask in asks:
                    yield from self.compute([ask])
            else:
                yield failed(asks, rows, reason(error))
            return
        yield checked(asks, rows, answers, served)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A challenger at work, with its breaker and what is under way: all outlive a change of the route.

    Each route has a lane of its own, and rows of earlier ones may still be under way when the
    challenger leaves.
    """

    version: ServedVersion
    client: Challenger
    breaker: Breaker = field(default_factory=Breaker)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def drain(self) -> None:
        """Return when nothing is under way, what came in this tick included."""
        await asyncio.sleep(0)
        while self.tasks:
            await asyncio.wait(self.tasks)


class ChallengerLane:
    """Asks a challenger in its own process; whatever happens there, every user's row is answered."""

    def __init__(
        self, contender: Contender, champion: Callable[[Ask], None], books: Books, names: Sequence[str], *, timeout_ms: float
    ) -> None:
        self.contender = contender
        self._names = names
        self._spoken = speaking(contender.version.signature)
        self._champion = champion
        self._books = books
        self._timeout_ms = timeout_ms
        self._tick = Tick(self._start)
        self._shadows = Tick(self._start_behind)
        self._asked = Tick(self._start_asked)
        self._waiting = 0
        self.take = self._tick.add
        self.asked = self._asked.add

    def shadow(self, ask: Ask) -> None:
        """Let the challenger compute a row that the champion answers; its answer is only recorded."""
        if self._waiting >= SHADOW_LIMIT:
            self._books.counters.shadow_dropped += 1
            return
        self._waiting += 1
        self._shadows.add(ask)

    def _start(self, asks: list[Ask]) -> None:
        self.watch(self._pass(asks))

    def _start_behind(self, asks: list[Ask]) -> None:
        self.watch(self._pass_behind(asks))

    def _start_asked(self, asks: list[Ask]) -> None:
        self.watch(self._pass_asked(asks))

    async def _pass_asked(self, asks: list[Ask]) -> None:
        """Rows whose callers named this version: they go alone, so that nothing they do is held against rows that were dealt.

        No breaker counts them, and no other version answers in its place.
        """
        try:
            self._finish_asked(await self._ask(asks, Breaker()))
        except Exception as error:
            for ask in asks:
                ask.fail(error)
            raise

    def _finish_asked(self, computed: Computed) -> None:
        now_s, books, number = perf_counter(), self._books, self.contender.version.number
        books.scribe.settle(list(computed.asks), [frame(books.deployment, number, computed, now_s)])
        for ask, answer, error in zip(computed.asks, computed.answers, computed.errors, strict=True):
            books.tallies[books.deployment, number, ask.role].add(ask.latency_us(now_s), failed=answer is None)
            if answer is None:
                books.counters.failed += 1
                why = f"version {number} of {books.deployment!r}, which was asked for, could not answer {ask.id!r}: {error}"
                ask.request.settle(ask.place, Unavailable(why, fix="ask without naming a version: the champion stands behind a challenger"))
            else:
                prediction, label = self._spoken(answer)
                ask.request.settle(ask.place, Answered(id=ask.id, version=number, role=ask.role, prediction=prediction, label=label))

    async def computed(self, asks: Sequence[Ask]) -> Computed:
        """Answers to rows within the challenger's time, for whoever settles them; none while it is spared."""
        gate = self.contender.breaker.gate(perf_counter())
        if gate is Gate.REST:
            return failed(asks, self._rows(asks), SPARED)
        return await self._ask(asks, self.contender.breaker)

    async def _pass_behind(self, asks: list[Ask]) -> None:
        """Shadows go behind the rows of this tick that a user waits for."""
        await asyncio.sleep(0)
        await self._pass(asks)

    def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it, and know of it until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self.contender.tasks.add(task)
        task.add_done_callback(self.contender.tasks.discard)

    async def _pass(self, asks: list[Ask]) -> None:
        try:
            await self._send(asks)
        except Exception as error:
            for ask in asks:
                ask.fail(error)
            raise

    async def _send(self, asks: list[Ask]) -> None:
        gate = self.contender.breaker.gate(perf_counter())
        if gate is Gate.SEND:
            self._finish(await self._ask(asks, self.contender.breaker))
            return
        self._finish(failed(asks, self._rows(asks), SPARED))
        if gate is Gate.PROBE:
            await self._ask(asks, self.contender.breaker)

    async def _ask(self, asks: Sequence[Ask], breaker: Breaker) -> Computed:
        rows, now_ms = self._rows(asks), asks[-1].request.time_ms
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                answers, served = await self.contender.client.answer(rows, now_ms, self._timeout_ms)
        except TimeoutError:
            breaker.failed(perf_counter(), timed_out=True)
            return failed(asks, rows, f"timed out after {self._timeout_ms:g} ms")
        except Exception as error:  # noqa: BLE001 - whatever a challenger does, the champion answers; it is recorded
            breaker.failed(perf_counter(), timed_out=False)
            return failed(asks, rows, reason(error))
        breaker.answered()
        return checked(asks, rows, answers, served)

    def _rows(self, asks: Sequence[Ask]) -> Rows:
        return Rows(self._names, [ask.row for ask in asks])

    def _finish(self, computed: Computed) -> None:
        """Record shadows, give users their answers, and hand the rows that failed to the champion."""
        now_s = perf_counter()
        number = self.contender.version.number
        given: list[Ask] = []
        noted: list[int] = []
        for place, (ask, answer, error) in enumerate(zip(computed.asks, computed.answers, computed.errors, strict=True)):
            if ask.role is Role.SHADOW:
                self._waiting -= 1
                self._books.counters.shadowed += 1
            elif answer is None:
                self.hand_over(ask, error, now_s)
                continue
            else:
                given.append(ask)
            noted.append(place)
            self._books.tallies[self._books.deployment, number, ask.role].add(ask.latency_us(now_s), failed=answer is None)
        self._books.scribe.settle(given, [frame(self._books.deployment, number, picked(computed, noted), now_s)])
        for ask, answer in zip(computed.asks, computed.answers, strict=True):
            if ask.role is Role.CHALLENGER and answer is not None:
                prediction, label = self._spoken(answer)
                ask.request.settle(ask.place, Answered(id=ask.id, version=number, role=Role.CHALLENGER, prediction=prediction, label=label))

    def hand_over(self, ask: Ask, error: str, now_s: float) -> None:
        """Let the champion answer, and keep why."""
        ask.tried = Tried(version=self.contender.version.number, error=error, latency_us=ask.latency_us(now_s))
        ask.role = Role.FALLBACK
        self._champion(ask)
