"""Answers a query of a ranking with one order that both versions drafted."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from noria.core.traffic import Role
from noria.stages.serving.asks import UNSEEN, Answered, Ask
from noria.stages.serving.computed import Computed, frame
from noria.stages.serving.drafting import Drafted, draft, rescored
from noria.stages.serving.ending import Books
from noria.stages.serving.graph_lane import GraphLane
from noria.stages.serving.isolated import IsolatedLane
from noria.stages.serving.lanes import ChallengerLane, ChampionLane


class InterleavingLane:
    """Lets champion and challenger answer all rows of a query and deals out their scores in the drafted order.

    Each row is credited to the version that drafted it: its answer has that version's number and
    role, and so has its line in the log, with the version's own score. The other version's score is
    logged as unseen (CONTROL of the champion, SHADOW of the challenger). Where either cannot answer
    every row, the champion answers alone, as ever.

    Args:
        salt: Of the rollout: which version begins is another coin in each.
    """

    def __init__(self, champion: ChampionLane | IsolatedLane | GraphLane, challenger: ChallengerLane, books: Books, *, salt: str) -> None:
        self._champion = champion
        self._challenger = challenger
        self._books = books
        self._salt = salt

    def take(self, asks: Sequence[Ask], query: str) -> None:
        """The rows of one query, of one request; the log keeps all of them or none."""
        for ask in asks:
            ask.kept = asks[0].kept
        self._challenger.watch(self._pass(asks, query))

    async def _pass(self, asks: Sequence[Ask], query: str) -> None:
        try:
            theirs = await self._challenger.computed(asks)
            await self._finish(asks, query, theirs)
        except Exception as error:
            for ask in asks:
                ask.fail(error)
            raise

    async def _finish(self, asks: Sequence[Ask], query: str, theirs: Computed) -> None:
        why = next(filter(None, theirs.errors), "")
        if why:
            now_s = perf_counter()
            for ask in asks:
                self._challenger.hand_over(ask, why, now_s)
            return
        ours = await self._champion.computed(asks)
        mine = [answer for part in ours for answer in part.answers if isinstance(answer, float)]
        yours = [answer for answer in theirs.answers if isinstance(answer, float)]
        if not len(mine) == len(yours) == len(asks):
            for ask in asks:
                self._champion.take(ask)
            return
        drafted = draft(mine, yours, salt=self._salt, query=query)
        second = [False] * len(asks)
        for place, by_challenger in zip(drafted.order, drafted.by_challenger, strict=True):
            second[place] = by_challenger
        self._record(asks, second, ours, theirs)
        self._give(asks, second, drafted, mine)

    def _record(self, asks: Sequence[Ask], second: Sequence[bool], ours: Sequence[Computed], theirs: Computed) -> None:
        now_s, books = perf_counter(), self._books
        numbers = self._champion.served.version.number, self._challenger.contender.version.number
        frames, begun = [], 0
        for part in ours:
            drafted = second[begun : begun + len(part.asks)]
            own = [_as(ask, Role.CONTROL if by else Role.CHAMPION) for ask, by in zip(part.asks, drafted, strict=True)]
            begun += len(own)
            frames.append(frame(books.deployment, numbers[0], Computed(own, part.rows, part.answers, part.served, part.errors), now_s))
        other = [_as(ask, Role.CHALLENGER if by else Role.SHADOW) for ask, by in zip(asks, second, strict=True)]
        frames.append(
            frame(books.deployment, numbers[1], Computed(other, theirs.rows, theirs.answers, theirs.served, theirs.errors), now_s)
        )
        books.scribe.settle(list(asks), frames)
        books.counters.shadowed += len(asks)
        for ask, by in zip(asks, second, strict=True):
            role = Role.CHALLENGER if by else Role.CHAMPION
            books.tallies[books.deployment, numbers[by], role].add(ask.latency_us(now_s), failed=False)

    def _give(self, asks: Sequence[Ask], second: Sequence[bool], drafted: Drafted, scores: Sequence[float]) -> None:
        numbers = self._champion.served.version.number, self._challenger.contender.version.number
        for ask, by, score in zip(asks, second, rescored(drafted.order, scores), strict=True):
            role = Role.CHALLENGER if by else Role.CHAMPION
            ask.request.settle(ask.place, Answered(id=ask.id, version=numbers[by], role=role, prediction=score))


def _as(ask: Ask, role: Role) -> Ask:
    """The row in the role that its version has; either was dealt it with the same chance."""
    found = ask.beside(role)
    found.chance = None if role in UNSEEN else 0.5
    return found
