"""Deployments made of other deployments: what each form is, what it takes and gives, and how answers are averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, isfinite
from typing import Literal

from noria.core.errors import RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Answer

DEEPEST = 5
"""Graphs within graphs, the outermost included."""
MOST_MEMBERS = 50
"""Members that all nodes of one graph ask, one that is asked twice counted twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The weighted mean of what its members answer.

    Attributes:
        weights: Deployment to its weight, above 0; their sum need not be 1.
        missing: "rest": when a member fails, the others answer; "": the graph fails with it.
    """

    weights: Mapping[str, float]
    missing: Literal["", "rest"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The answer of `first` becomes the field `as_field` of `then`, which answers."""

    first: str
    then: str
    as_field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One member answers, by what a request's field says.

    Attributes:
        cases: Value of the field, as text, to the deployment that answers.
        otherwise: The deployment that answers every other value.
    """

    by: str
    cases: Mapping[str, str]
    otherwise: str


Graph = Ensemble | Chain | Switch


@dataclass(slots=True)
class _Walk:
    """One way through a graph: who is being resolved, and how many members were met."""

    graphs: Mapping[str, Graph]
    look: Callable[[str], Signature]
    above: list[str] = field(default_factory=list)
    met: int = 0


def members(graph: Graph) -> tuple[str, ...]:
    """The deployments that a graph itself asks, each once."""
    if isinstance(graph, Ensemble):
        return tuple(graph.weights)
    if isinstance(graph, Chain):
        return tuple(dict.fromkeys((graph.first, graph.then)))
    return tuple(dict.fromkeys((*graph.cases.values(), graph.otherwise)))


def signature(name: str, graphs: Mapping[str, Graph], look: Callable[[str], Signature]) -> Signature:
    """What a graph takes and gives, by what its members' champions do now.

    Args:
        graphs: Every deployment that is a graph.
        look: Finds what the champion of any other deployment takes and gives; may raise what it likes.

    Raises:
        RequestInvalid: the graph asks itself, is too deep or too large, or its members do not fit together.
    """
    return _resolved(name, _Walk(graphs, look))


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


def chosen(switch: Switch, value: object) -> str:
    """The deployment that answers a request whose field holds this value."""
    return switch.cases.get(value if isinstance(value, str) else str(value), switch.otherwise)


def _resolved(name: str, walk: _Walk) -> Signature:
    graph = walk.graphs.get(name)
    if graph is None:
        return walk.look(name)
    if name in walk.above:
        raise RequestInvalid(f"{' → '.join([*walk.above, name])}: a graph cannot ask itself", fix="leave one of these members out")
    asked = members(graph)
    walk.met += len(asked)
    if len(walk.above) == DEEPEST or walk.met > MOST_MEMBERS:
        raise RequestInvalid(f"{(walk.above or [name])[0]} is more than {DEEPEST} graphs deep or has more than {MOST_MEMBERS} members")
    walk.above.append(name)
    found = {member: _resolved(member, walk) for member in asked}
    walk.above.pop()
    if isinstance(graph, Ensemble):
        return _ensemble(name, graph, found)
    return _chain(name, graph, found) if isinstance(graph, Chain) else _switch(name, graph, found)


def _ensemble(name: str, graph: Ensemble, found: Mapping[str, Signature]) -> Signature:
    if not found or not all(isfinite(weight) and weight > 0 for weight in graph.weights.values()):
        raise RequestInvalid(f"{name}: an ensemble needs members, each with a weight above 0")
    first = _agreeing(name, found)
    if not (first.task.numeric or first.task in (Task.BINARY, Task.MULTICLASS)):
        raise RequestInvalid(f"{name}: answers of {first.task} have no weighted mean")
    return replace(first, inputs=_union(name, found, any), features=())


def _chain(name: str, graph: Chain, found: Mapping[str, Signature]) -> Signature:
    first, then = found[graph.first], found[graph.then]
    if not (first.task.numeric or first.task is Task.BINARY):
        raise RequestInvalid(f"{name}: {graph.first} answers {first.task}, which is not one number")
    taken = next((one for one in then.inputs if one.name == graph.as_field), None)
    if taken is None or taken.kind is not Kind.FLOAT:
        raise RequestInvalid(f"{name}: {graph.then} takes no number named {graph.as_field!r}", fields={graph.as_field: "must be a float"})
    if any(one.name == graph.as_field for one in first.inputs):
        raise RequestInvalid(f"{name}: {graph.first} takes {graph.as_field!r} from the caller, so its answer cannot have that name")
    rest = replace(then, inputs=tuple(one for one in then.inputs if one.name != graph.as_field))
    return replace(then, inputs=_union(name, {graph.first: first, graph.then: rest}, any), features=())


def _switch(name: str, graph: Switch, found: Mapping[str, Signature]) -> Signature:
    first = _agreeing(name, found)
    inputs = _union(name, found, lambda needs: len(needs) == len(found) and all(needs))
    known = next((one for one in inputs if one.name == graph.by), Field(name=graph.by, kind=Kind.TEXT))
    rest = tuple(one for one in inputs if one.name != graph.by)
    return replace(first, inputs=(replace(known, required=True), *rest), features=())


def _agreeing(name: str, found: Mapping[str, Signature]) -> Signature:
    """The first member's signature, where all give the same kind of answer. Two classes have an order: the second is the one meant."""
    leader, first = next(iter(found.items()))
    for member, one in found.items():
        if one.task is not first.task:
            raise RequestInvalid(f"{name}: {leader} answers {first.task} and {member} answers {one.task}")
        ordered = first.task is not Task.MULTICLASS
        same = one.classes == first.classes if ordered else sorted(one.classes) == sorted(first.classes)
        if not same:
            raise RequestInvalid(f"{name}: {leader} and {member} do not have the same classes: {first.classes} and {one.classes}")
    return first


def _union(name: str, found: Mapping[str, Signature], needed: Callable[[list[bool]], bool]) -> tuple[Field, ...]:
    """All fields, each once; `needed` says from the members that take a field whether a request must carry it."""
    by_name: dict[str, list[tuple[str, Field]]] = {}
    for member, one in found.items():
        for taken in one.inputs:
            by_name.setdefault(taken.name, []).append((member, taken))
    for field_name, takers in by_name.items():
        leader, first = takers[0]
        for member, taken in takers:
            if (taken.kind, taken.dtype, taken.shape) != (first.kind, first.dtype, first.shape):
                raise RequestInvalid(f"{name}: {field_name} is {first.kind} of {leader} and {taken.kind} of {member}")
    return tuple(replace(takers[0][1], required=needed([one.required for _, one in takers])) for takers in by_name.values())
