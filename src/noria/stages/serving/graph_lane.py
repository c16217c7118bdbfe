"""The lane of a graph: its rows are answered by its members, and journalled, counted and given as any champion's are."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.rows import Rows
from noria.core.traffic import Role
from noria.stages.serving.asks import Answered, Ask, Tick
from noria.stages.serving.computed import Computed
from noria.stages.serving.conducting import Conducted, Conductor, Outcome
from noria.stages.serving.ending import Books, Ending
from noria.stages.serving.frames import MEMBERS
from noria.stages.serving.model import all_finite, speaking

_encode = msgspec.json.Encoder().encode


class GraphLane:
    """Takes a route's rows to a graph, all rows of one tick together.

    Args:
        names: The fields of every row that it takes, in order.

    Attributes:
        served: Who conducts it.
    """

    def __init__(self, served: Conductor, books: Books, names: Sequence[str]) -> None:
        self.served = served
        self._names = names
        self._books = books
        self._ending = Ending(served.version, books, names)
        self._spoken = speaking(served.version.signature)
        self._tasks: set[asyncio.Task[None]] = set()
        self.take = Tick(lambda asks: self._start(self._pass(asks), asks)).add
        self.control = Tick(lambda asks: self._start(self._pass_unseen(asks), asks)).add

    async def computed(self, asks: Sequence[Ask]) -> list[Computed]:
        """Answers to rows in their order, for whoever settles them."""
        return [self._computed(asks, await self._conducted(asks))]

    def _start(self, work: Coroutine[Any, Any, None], asks: Sequence[Ask]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._over(task, asks))

    def _over(self, task: asyncio.Task[None], asks: Sequence[Ask]) -> None:
        """Nobody waits for ever, whatever became of the task."""
        self._tasks.discard(task)
        error = asyncio.CancelledError("it was cancelled") if task.cancelled() else task.exception()
        if error is not None:
            for ask in asks:
                ask.fail(error)

    async def _pass(self, asks: list[Ask]) -> None:
        conducted = await self._conducted(asks)
        fitting = [(ask, one) for ask, one in zip(asks, conducted, strict=True) if not isinstance(one.failure, RequestInvalid)]
        for ask, one in fitting:
            ask.role = Role.FALLBACK if one.partial else ask.role
        took = self._computed([ask for ask, _ in fitting], [one for _, one in fitting])
        self._ending.record(took.asks, [took])
        for ask, one in zip(asks, conducted, strict=True):
            self._give(ask, one)

    async def _pass_unseen(self, asks: list[Ask]) -> None:
        self._ending.unseen([self._computed(asks, await self._conducted(asks))])

    async def _conducted(self, asks: Sequence[Ask]) -> list[Conducted]:
        rows = Rows(self._names, [ask.row for ask in asks])
        conducted = await self.served.answers([ask.id for ask in asks], rows, depth=max(ask.request.depth for ask in asks))
        for one in conducted:
            if one.answer is not None and not all_finite([one.answer]):
                one.answer, one.failure = None, Unavailable(f"answered {one.answer}")
        return conducted

    def _computed(self, asks: Sequence[Ask], conducted: Sequence[Conducted]) -> Computed:
        said = {MEMBERS: [_encode({member: _told(outcome) for member, outcome in one.asked.items()}).decode() for one in conducted]}
        errors = [one.failure.message if one.failure else one.partial for one in conducted]
        return Computed(asks, Rows(self._names, [ask.row for ask in asks]), [one.answer for one in conducted], said, errors)

    def _give(self, ask: Ask, one: Conducted) -> None:
        number = self.served.version.number
        if isinstance(one.failure, RequestInvalid):
            self._books.counters.invalid += 1
            ask.request.settle(ask.place, one.failure)
        elif one.answer is None:
            why = one.failure.message if one.failure else "nobody answered"
            ask.request.settle(ask.place, Unavailable(f"version {number} of {self._books.deployment!r} could not answer {ask.id!r}: {why}"))
        else:
            answered = Answered(id=ask.id, version=number, role=ask.role, prediction=self._spoken(one.answer)[0], label=one.label)
            ask.request.settle(ask.place, answered)


def _told(outcome: Outcome) -> dict[str, Any]:
    """What a member said, as the log keeps it."""
    if not isinstance(outcome, Answered):
        return {"error": outcome.message[:300]}
    return {"version": outcome.version, "role": outcome.role, "prediction": outcome.prediction}
