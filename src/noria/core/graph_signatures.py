"""What a graph takes and gives, from what its members do; and whether a member that changed still fits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

from noria.core.errors import RequestInvalid
from noria.core.graphs import Chain, Ensemble, Graph, Switch, members
from noria.core.schema import Field, Kind, Signature, Task

DEEPEST = 5
"""Graphs within graphs, the outermost included."""
MOST_MEMBERS = 50
"""Members that all nodes of one graph ask, one that is asked twice counted twice."""


@dataclass(slots=True)
class _Walk:
    """One way through a graph: who is being resolved, and how many members were met."""

    graph_of: Callable[[str], Graph | None]
    look: Callable[[str], Signature]
    above: list[str] = field(default_factory=list)
    met: int = 0


def signature(name: str, graph_of: Callable[[str], Graph | None], look: Callable[[str], Signature]) -> Signature:
    """What a graph takes and gives, by what its members' champions do now.

    Args:
        graph_of: Finds the graph that a deployment is; None where it is a model.
        look: Finds what the champion of a model's deployment takes and gives; may raise what it likes.

    Raises:
        RequestInvalid: the graph asks itself, is too deep or too large, or its members do not fit together.
    """
    return _resolved(name, _Walk(graph_of, look))


def misfit(graph: Graph, told: Signature, member: str, its: Signature) -> str:
    """Why a member cannot answer for a graph that takes and gives what it was deployed with; "" where it can.

    Args:
        told: What the graph takes and gives.
        its: What the member's champion does now.
    """
    if isinstance(graph, Chain) and member == graph.first and member != graph.fallback:
        if not _one_number(its):
            return f"it answers {its.task} now, which is not one number"
    elif its.task is not told.task or not _same_classes(its, told):
        return f"it answers {' '.join((its.task, *its.classes))} now"
    given = {one.name: one for one in told.inputs}
    if isinstance(graph, Chain) and member == graph.then:
        given[graph.as_field] = Field(name=graph.as_field, kind=Kind.FLOAT)
    for taken in its.inputs:
        known = given.get(taken.name)
        if known is None and taken.required:
            return f"it wants {taken.name} now, which requests to the graph do not carry"
        if known is not None and _form(known) != _form(taken):
            return f"its {taken.name} is {taken.kind} now"
        if known is not None and taken.required and not known.required and not isinstance(graph, Switch):
            return f"it requires {taken.name} now, which requests to the graph may leave out"
    return ""


def _resolved(name: str, walk: _Walk) -> Signature:
    graph = walk.graph_of(name)
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
    if not isfinite(graph.within_ms) or graph.within_ms <= 0:
        raise RequestInvalid(f"{name}: its members need some time", fields={"within_ms": "must be above 0"})
    own = {member: found[member] for member in members(replace(graph, fallback=""))}
    if isinstance(graph, Ensemble):
        made = _ensemble(name, graph, own)
    else:
        made = _chain(name, graph, own) if isinstance(graph, Chain) else _switch(name, graph, own)
    return _with_fallback(name, graph, made, found[graph.fallback]) if graph.fallback else made


def _with_fallback(name: str, graph: Graph, made: Signature, its: Signature) -> Signature:
    """The fallback answers every row that the graph takes, so whatever it requires is required."""
    if isinstance(graph, Chain) and any(one.name == graph.as_field for one in its.inputs):
        raise RequestInvalid(f"{name}: {graph.fallback} takes {graph.as_field!r} from the caller, so no answer can have that name")
    both = {name: made, graph.fallback: its}
    _agreeing(name, both)
    return replace(made, inputs=_union(name, both, any))


def _ensemble(name: str, graph: Ensemble, found: Mapping[str, Signature]) -> Signature:
    if not found or not all(isfinite(weight) and weight > 0 for weight in graph.weights.values()):
        raise RequestInvalid(f"{name}: an ensemble needs members, each with a weight above 0")
    first = _agreeing(name, found)
    if not (first.task.numeric or first.task in (Task.BINARY, Task.MULTICLASS)):
        raise RequestInvalid(f"{name}: answers of {first.task} have no weighted mean")
    return replace(first, inputs=_union(name, found, any), features=())


def _chain(name: str, graph: Chain, found: Mapping[str, Signature]) -> Signature:
    first, then = found[graph.first], found[graph.then]
    if not _one_number(first):
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
        if not _same_classes(one, first):
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
            if _form(taken) != _form(first):
                raise RequestInvalid(f"{name}: {field_name} is {first.kind} of {leader} and {taken.kind} of {member}")
    return tuple(replace(takers[0][1], required=needed([one.required for _, one in takers])) for takers in by_name.values())


def _one_number(its: Signature) -> bool:
    return its.task.numeric or its.task is Task.BINARY


def _same_classes(one: Signature, other: Signature) -> bool:
    if one.task is Task.MULTICLASS:
        return sorted(one.classes) == sorted(other.classes)
    return (one.classes, one.width) == (other.classes, other.width)


def _form(taken: Field) -> tuple[Kind, str, tuple[int, ...]]:
    """What two takers of one field must agree on."""
    return taken.kind, taken.dtype, taken.shape
