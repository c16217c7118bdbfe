"""Answers a graph of deployments: each member is asked through its own route, under the row's one id, and each row ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Protocol

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.graph_signatures import DEEPEST, misfit
from noria.core.graphs import Chain, Ensemble, Switch, chosen, members
from noria.core.rows import Rows
from noria.core.traffic import Answer, Route, ServedVersion
from noria.stages.serving.asks import Answered, Failure
from noria.stages.serving.model import speaking

Outcome = Answered | Failure


class Members(Protocol):
    """The deployments that may be asked."""

    def route(self, deployment: str) -> Route | None:
        """The route of one, loaded or not; None where there is none."""
        ...

    async def ask(self, deployment: str, ids: Sequence[str], rows: Rows, *, depth: int, within_s: float) -> list[Outcome]:
        """What it says to each row, as to anybody who asks it, within this time."""
        ...


@dataclass(slots=True)
class Conducted:
    """What came of one row.

    Attributes:
        answer: None where there is none; `failure` says why.
        partial: Why not all whom the graph asked answered, though it could; "" where all did.
        asked: Member to what it said.
    """

    answer: Answer | None = None
    label: str | None = None
    failure: Failure | None = None
    partial: str = ""
    asked: dict[str, Outcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Rows on their way through the graph; `depth` graphs have passed them on."""

    ids: Sequence[str]
    rows: Rows
    depth: int
    done: list[Conducted]


class Conductor:
    """One version of a graph at work; for one event loop.

    A member that changed so that it does not fit the graph any more has failed, as one has that does not answer in
    time: the graph's own rule says what becomes of the row then.
    """

    def __init__(self, version: ServedVersion, asked: Members) -> None:
        assert version.graph is not None
        self.version = version
        self._graph = version.graph.graph
        self._members = asked
        self._spoken = speaking(version.signature)
        self._fits: dict[str, tuple[Route, str]] = {}

    @property
    def problem(self) -> str:
        """Which members are not there or do not fit any more; "" when all is well."""
        return "; ".join(f"{member}: {why}" for member in members(self._graph) if (why := self._misfit(member)))

    async def answers(self, ids: Sequence[str], rows: Rows, *, depth: int) -> list[Conducted]:
        """What came of each row, in their order.

        Args:
            depth: How many graphs have passed the rows on before.
        """
        piece = _Piece(ids=ids, rows=rows, depth=depth + 1, done=[Conducted() for _ in ids])
        graph = self._graph
        if piece.depth > DEEPEST:
            for one in piece.done:
                one.failure = Unavailable("graphs ask each other in a circle, or are too deep", fix="deploy one of them anew")
            return piece.done
        if isinstance(graph, Ensemble):
            await self._ensemble(graph, piece)
        elif isinstance(graph, Chain):
            await self._chain(graph, piece)
        else:
            await self._switch(graph, piece)
        if graph.fallback:
            await self._fall_back(graph.fallback, piece)
        return piece.done

    async def _ensemble(self, graph: Ensemble, piece: _Piece) -> None:
        everyone = range(len(piece.ids))
        asked = await asyncio.gather(*(self._ask(member, piece, everyone) for member in graph.weights))
        for place, outcomes in enumerate(zip(*asked, strict=True)):
            self._combine(graph, dict(zip(graph.weights, outcomes, strict=True)), piece.done[place])

    def _combine(self, graph: Ensemble, outcomes: Mapping[str, Outcome], done: Conducted) -> None:
        given = {member: one.prediction for member, one in outcomes.items() if isinstance(one, Answered)}
        failed = {member: one for member, one in outcomes.items() if not isinstance(one, Answered)}
        wrong = next((one for one in failed.values() if isinstance(one, RequestInvalid)), None)
        why = "; ".join(f"{member}: {one.message}" for member, one in failed.items())
        if wrong is not None or (failed and not (given and graph.missing)):
            done.failure = wrong or Unavailable(why)
            return
        weights = [graph.weights[member] for member in given]
        numbers = [one for one in given.values() if not isinstance(one, list)]
        done.answer, done.partial = averaged(weights, numbers, self.version.signature.classes), why
        done.label = self._spoken(done.answer)[1]

    async def _chain(self, graph: Chain, piece: _Piece) -> None:
        first = await self._ask(graph.first, piece, range(len(piece.ids)))
        passed = {
            place: one.prediction for place, one in enumerate(first) if isinstance(one, Answered) and isinstance(one.prediction, float)
        }
        for place, one in enumerate(first):
            if place not in passed:
                self._settle(graph.first, one, piece.done[place])
        kept = [name for name in piece.rows.names if name != graph.as_field]
        columns = piece.rows.columns
        values = [(*(columns[name][place] for name in kept), answer) for place, answer in passed.items()]
        handed = Rows((*kept, graph.as_field), values)
        for place, one in zip(passed, await self._ask(graph.then, piece, list(passed), handed), strict=True):
            self._settle(graph.then, one, piece.done[place])

    async def _switch(self, graph: Switch, piece: _Piece) -> None:
        groups: dict[str, list[int]] = {}
        for place, value in enumerate(piece.rows.column(graph.by)):
            groups.setdefault(chosen(graph, value), []).append(place)
        asked = await asyncio.gather(*(self._ask(member, piece, places) for member, places in groups.items()))
        for (member, places), outcomes in zip(groups.items(), asked, strict=True):
            for place, one in zip(places, outcomes, strict=True):
                self._settle(member, one, piece.done[place])

    async def _fall_back(self, fallback: str, piece: _Piece) -> None:
        left = {place: one.failure for place, one in enumerate(piece.done) if isinstance(one.failure, Unavailable)}
        for (place, why), one in zip(left.items(), await self._ask(fallback, piece, list(left)), strict=True):
            done = piece.done[place]
            self._settle(fallback, one, done)
            if isinstance(one, Answered):
                done.partial = why.message
            elif isinstance(one, Unavailable):
                done.failure = Unavailable(f"{why.message}; {fallback}: {one.message}")

    def _settle(self, member: str, one: Outcome, done: Conducted) -> None:
        """The row ends as a member's answer to it did."""
        if isinstance(one, Answered):
            done.answer, done.label, done.failure = self._raw(one), one.label, None
        elif isinstance(one, Unavailable):
            done.answer, done.failure = None, Unavailable(f"{member}: {one.message}")
        else:
            why = {name: f"{said}; {member}, which answers such rows, requires it" for name, said in one.fields.items()}
            done.answer, done.failure = None, RequestInvalid(f"{one.message}; {member} answers such rows", fields=why)

    async def _ask(self, member: str, piece: _Piece, places: Sequence[int], rows: Rows | None = None) -> list[Outcome]:
        """What a member says to the rows at some places, noted with each; they are `rows` where it is asked something else."""
        if not places:
            return []
        why = self._misfit(member)
        if why:
            outcomes: list[Outcome] = [Unavailable(why)] * len(places)
        else:
            asked = rows if rows is not None else piece.rows if len(places) == len(piece.ids) else piece.rows.picked(places)
            ids = [piece.ids[place] for place in places]
            outcomes = await self._members.ask(member, ids, asked, depth=piece.depth, within_s=self._graph.within_ms / 1_000)
        for place, one in zip(places, outcomes, strict=True):
            piece.done[place].asked[member] = one
        return outcomes

    def _misfit(self, member: str) -> str:
        """Why a member cannot be asked; looked at again when its route has changed."""
        route = self._members.route(member)
        if route is None:
            return "there is no such deployment"
        known = self._fits.get(member)
        if known is None or known[0] is not route:
            known = self._fits[member] = route, misfit(self._graph, self.version.signature, member, route.champion.signature)
        return known[1]

    def _raw(self, one: Answered) -> Answer:
        """A member's answer as the journal has it: its probabilities in the order of the graph's classes."""
        given = one.prediction
        if isinstance(given, dict):
            return tuple(given[name] for name in self.version.signature.classes or given)
        return tuple(given) if isinstance(given, list) else given


def averaged(weights: Sequence[float], answers: Sequence[float | Mapping[str, float]], classes: Sequence[str]) -> Answer:
    """The weighted mean of answers to one row: of numbers, or of probabilities class by class in the order of `classes`.

    >>> averaged([3.0, 1.0], [{"a": 1.0, "b": 0.0}, {"b": 1.0, "a": 0.0}], ("a", "b"))
    (0.75, 0.25)
    """
    total = fsum(weights)
    numbers = [one for one in answers if not isinstance(one, Mapping)]
    if numbers:
        return fsum(weight * one for weight, one in zip(weights, numbers, strict=True)) / total
    named = [one for one in answers if isinstance(one, Mapping)]
    return tuple(fsum(weight * one[label] for weight, one in zip(weights, named, strict=True)) / total for label in classes)
