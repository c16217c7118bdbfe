"""Deployments made of other deployments: the three forms, whom they ask, and how they are said and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from noria.core.errors import RequestInvalid

WITHIN_MS = 1_000.0
"""A member has this long, where its graph does not say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The weighted mean of what its members answer.

    Attributes:
        weights: Deployment to its weight, above 0; their sum need not be 1.
        missing: "rest": when a member fails, the others answer; "": the graph fails with it.
        within_ms: Each member has this long; then it has failed.
        fallback: The deployment that answers alone when the graph fails; "" = nobody does.
    """

    weights: Mapping[str, float]
    missing: Literal["", "rest"] = ""
    within_ms: float = WITHIN_MS
    fallback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The answer of `first` becomes the field `as_field` of `then`, which answers.

    Attributes:
        within_ms, fallback: As an `Ensemble` has them.
    """

    first: str
    then: str
    as_field: str
    within_ms: float = WITHIN_MS
    fallback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One member answers, by what a request's field says.

    Attributes:
        cases: Value of the field, as text, to the deployment that answers.
        otherwise: The deployment that answers every other value.
        within_ms, fallback: As an `Ensemble` has them.
    """

    by: str
    cases: Mapping[str, str]
    otherwise: str
    within_ms: float = WITHIN_MS
    fallback: str = ""


Graph = Ensemble | Chain | Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphForm:
    """A graph as it is stored and sent: exactly one of the three is there."""

    ensemble: Ensemble | None = None
    chain: Chain | None = None
    switch: Switch | None = None

    @classmethod
    def of(cls, graph: Graph) -> GraphForm:
        """The form of a graph."""
        if isinstance(graph, Ensemble):
            return cls(ensemble=graph)
        return cls(chain=graph) if isinstance(graph, Chain) else cls(switch=graph)

    @property
    def graph(self) -> Graph:
        """The graph.

        Raises:
            RequestInvalid: there is none, or several.
        """
        given = [one for one in (self.ensemble, self.chain, self.switch) if one is not None]
        if len(given) != 1:
            raise RequestInvalid("a graph is one of ensemble, chain and switch", fields={"graph": "must have exactly one of them"})
        return given[0]


def members(graph: Graph) -> tuple[str, ...]:
    """The deployments that a graph itself asks, each once, its fallback the last."""
    if isinstance(graph, Ensemble):
        own = tuple(graph.weights)
    elif isinstance(graph, Chain):
        own = (graph.first, graph.then)
    else:
        own = (*graph.cases.values(), graph.otherwise)
    return tuple(dict.fromkeys((*own, graph.fallback) if graph.fallback else own))


def said(graph: Graph) -> str:
    """A graph in one line.

    >>> said(Ensemble(weights={"a": 3, "b": 1}, missing="rest", fallback="c"))
    'the mean of a (0.75) and b (0.25), of the rest where one fails; when it fails, c answers'
    """
    if isinstance(graph, Ensemble):
        total = sum(graph.weights.values())
        told = f"the mean of {' and '.join(f'{name} ({weight / total:.3g})' for name, weight in graph.weights.items())}"
        told += ", of the rest where one fails" if graph.missing else ""
    elif isinstance(graph, Chain):
        told = f"{graph.then}, which takes what {graph.first} answers as {graph.as_field}"
    else:
        told = f"by {graph.by}: {', '.join(f'{value} → {name}' for value, name in graph.cases.items())}, else {graph.otherwise}"
    return told + (f"; when it fails, {graph.fallback} answers" if graph.fallback else "")


def chosen(switch: Switch, value: object) -> str:
    """The deployment that answers a request whose field holds this value."""
    return switch.cases.get(value if isinstance(value, str) else str(value), switch.otherwise)
