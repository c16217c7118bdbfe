"""Answers a graph of deployments: each member is asked through its own route, under the request's one id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noria.core.errors import NotFound, RequestInvalid, Unavailable
from noria.core.graphs import Chain, Ensemble, Graph, Switch, averaged, chosen, signature
from noria.core.schema import Signature
from noria.core.traffic import Answer, Role
from noria.stages.serving.asks import Answered
from noria.stages.serving.desk import Desk
from noria.stages.serving.items import Item, checked
from noria.stages.serving.model import Spoken, speaking
from noria.stages.serving.validation import RequestCheck

Row = tuple[str, dict[str, Any]]
"""A row under way: its id and its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """What was derived from the members' champions as they were; holds while they are the same."""

    members: Mapping[str, Signature]
    signature: Signature
    check: RequestCheck
    spoken: Callable[[Answer], Spoken]


class Conductor:
    """Answers graphs over a desk; rows of all requests in a tick come together at each member as they do without a graph.

    The members' answers are journalled under the members' names. The graph's own answer is not journalled.

    Args:
        graphs: Every deployment that is a graph.
        within_s: A whole graph has this long.
    """

    def __init__(self, desk: Desk, graphs: Mapping[str, Graph], *, within_s: float = 5.0) -> None:
        self._desk = desk
        self._graphs = graphs
        self._within_s = within_s
        self._fits: dict[str, _Fit] = {}

    async def predict(self, name: str, items: Sequence[Item]) -> list[Answered]:
        """Answers in the order of `items`; their version is 0, for each member has one of its own.

        Raises:
            RequestInvalid: a row does not fit, and no member was asked; or it lacks what only the member that a switch chose requires.
            Unavailable: the members do not fit together, one of them failed, or the time is up.
        """
        taken = self._fit(name).check
        values = checked(taken, items)
        rows = [
            (given or self._desk.fresh_id(), {key: value for key, value in zip(taken.names, row, strict=True) if value is not None})
            for (given, _), row in zip(items, values, strict=True)
        ]
        try:
            async with asyncio.timeout(self._within_s):
                return await self._answers(name, rows)
        except TimeoutError:
            raise Unavailable(f"{name} did not answer within {self._within_s:g} s") from None

    def _fit(self, name: str) -> _Fit:
        """How a deployment's members fit together; derived again when one of their champions has changed."""
        known = self._fits.get(name)
        if known is None or any(self._desk.deployed(member).signature is not was for member, was in known.members.items()):
            known = self._fits[name] = self._derived(name)
        return known

    def _derived(self, name: str) -> _Fit:
        members: dict[str, Signature] = {}

        def look(member: str) -> Signature:
            return members.setdefault(member, self._desk.deployed(member).signature)

        try:
            found = signature(name, self._graphs, look)
        except RequestInvalid as error:
            raise Unavailable(f"the members do not fit together: {error.message}") from None
        return _Fit(members=members, signature=found, check=RequestCheck(found), spoken=speaking(found))

    async def _answers(self, name: str, rows: Sequence[Row]) -> list[Answered]:
        graph = self._graphs.get(name)
        taken = self._fit(name).check.names
        rows = [(id, {field: inputs[field] for field in taken if field in inputs}) for id, inputs in rows]
        if graph is None:
            return await self._desk.predict(name, rows)
        if isinstance(graph, Ensemble):
            return await self._ensemble(name, graph, rows)
        return await (self._chain(graph, rows) if isinstance(graph, Chain) else self._switch(graph, rows))

    async def _ensemble(self, name: str, graph: Ensemble, rows: Sequence[Row]) -> list[Answered]:
        asked = await asyncio.gather(*(self._answers(member, rows) for member in graph.weights), return_exceptions=True)
        weights: list[float] = []
        given: list[list[Answered]] = []
        failed: list[str] = []
        for (member, weight), answers in zip(graph.weights.items(), asked, strict=True):
            if isinstance(answers, list):
                weights.append(weight)
                given.append(answers)
            elif isinstance(answers, Unavailable | NotFound):
                failed.append(f"{member}: {answers.message}")
            else:
                raise answers
        if failed and (not given or graph.missing != "rest"):
            raise Unavailable(f"{name} cannot answer, for {'; '.join(failed)}")
        fit = self._fit(name)
        means = [averaged(weights, [_meant(one) for one in answers], fit.signature.classes) for answers in zip(*given, strict=True)]
        spoken = [fit.spoken(mean) for mean in means]
        return [_answered(id, prediction, label) for (id, _), (prediction, label) in zip(rows, spoken, strict=True)]

    async def _chain(self, graph: Chain, rows: Sequence[Row]) -> list[Answered]:
        first = await self._answers(graph.first, rows)
        passed = [(id, inputs | {graph.as_field: one.prediction}) for (id, inputs), one in zip(rows, first, strict=True)]
        return [_answered(one.id, one.prediction, one.label) for one in await self._answers(graph.then, passed)]

    async def _switch(self, graph: Switch, rows: Sequence[Row]) -> list[Answered]:
        places: dict[str, list[int]] = {}
        for place, (_, inputs) in enumerate(rows):
            places.setdefault(chosen(graph, inputs[graph.by]), []).append(place)
        asked = await asyncio.gather(*(self._answers(member, [rows[place] for place in some]) for member, some in places.items()))
        by_place = {
            place: one for some, answers in zip(places.values(), asked, strict=True) for place, one in zip(some, answers, strict=True)
        }
        return [_answered(one.id, one.prediction, one.label) for _, one in sorted(by_place.items())]


def _meant(answered: Answered) -> float | dict[str, float]:
    assert not isinstance(answered.prediction, list)
    return answered.prediction


def _answered(id: str, prediction: float | dict[str, float] | list[float], label: str | None) -> Answered:
    return Answered(id=id, version=0, role=Role.CHAMPION, prediction=prediction, label=label)
