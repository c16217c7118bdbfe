"""Graphs of deployments where they are deployed: held against the members that answer now, and known to who would take those away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from noria.core.errors import DataInvalid, NotAllowed, NotFound, RequestInvalid
from noria.core.graph_signatures import misfit, signature
from noria.core.graphs import Graph, GraphForm, members, said
from noria.core.registry import Deployment, ModelVersion
from noria.core.schema import Signature
from noria.core.training import Candidate, Provenance, Recipe
from noria.loop.world import World
from noria.packaging import graph_file
from noria.packaging.manifest import GRAPH
from noria.ports import wire
from noria.stages.registry import aliases, versions

CHAMPION = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A graph that its members fit, as a candidate.

    Attributes:
        said: The graph in one line.
        fits: What its members are now and what it takes and gives, in one line.
    """

    candidate: Candidate
    said: str
    fits: str


def drawn(world: World, name: str, graph: Graph) -> Drawn:
    """Hold a graph against what its members' champions do now, and keep it.

    Raises:
        RequestInvalid: a member is not there, they do not fit together, or the graph asks itself, is too deep or too large.
    """
    graph = _typed(graph)
    met: dict[str, ModelVersion] = {}
    found = signature(name, _graphs(world, {name: graph}), _looking(world, met))
    packed = graph_file.save(graph, found, blobs=world.blobs)
    candidate = packed.candidate(
        found,
        recipe=Recipe(params={}, metric=""),
        provenance=Provenance(code="", commit="", diff="", environment="", seed=0),
        made_from=tuple(dict.fromkeys(version.candidate.artifact for version in met.values())),
    )
    asked = ", ".join(f"{member} v{version.number}" for member, version in met.items())
    takes = ", ".join(field.name for field in found.inputs[:12]) + (" …" if len(found.inputs) > 12 else "")
    return Drawn(candidate=candidate, said=said(graph), fits=f"its members fit ({asked}): it takes {takes} and answers {found.task}")


def check_again(world: World, version: ModelVersion) -> None:
    """Hold a graph that was deployed before against what its members do now.

    Raises:
        NotAllowed: one is not there, or does not fit it any more.
    """
    form = form_of(world, version)
    if form is None:
        return
    told, look, graph_of = version.candidate.signature, _looking(world, {}), _graphs(world, {version.model: form.graph})
    try:
        signature(version.model, graph_of, look)
        wrong = {member: misfit(form.graph, told, member, signature(member, graph_of, look)) for member in members(form.graph)}
    except RequestInvalid as error:
        raise NotAllowed(f"v{version.number} of {version.model} cannot answer: {error.message}", fix="deploy the graph anew") from error
    if any(wrong.values()):
        why = "; ".join(f"{member}: {one}" for member, one in wrong.items() if one)
        raise NotAllowed(f"v{version.number} of {version.model} cannot answer: {why}", fix="deploy the graph anew")


def form_of(world: World, version: ModelVersion) -> GraphForm | None:
    """The graph that a version is; None where it is a model."""
    return graph_file.graph_of(version.candidate.artifact, blobs=world.blobs) if version.candidate.format == GRAPH else None


def asked_by(world: World, name: str) -> tuple[str, ...]:
    """The graphs that answer and ask a deployment."""
    graphs = world.documents.find(Deployment, where={"state": "answering", "form": GRAPH}, limit=100_000)
    return tuple(one.name for one in graphs if name in one.members)


def _typed(graph: Graph) -> Graph:
    """The graph as it will be read again.

    Raises:
        RequestInvalid: a value is of another type.
    """
    try:
        return wire.load(wire.dump(GraphForm.of(graph)), GraphForm).graph
    except (DataInvalid, TypeError) as error:
        raise RequestInvalid(f"the graph cannot be one: {error}") from error


def _graphs(world: World, given: Mapping[str, Graph]) -> Callable[[str], Graph | None]:
    def graph_of(name: str) -> Graph | None:
        if name in given:
            return given[name]
        found = _champion(world, name)
        form = None if found is None else form_of(world, found)
        return None if form is None else form.graph

    return graph_of


def _looking(world: World, met: dict[str, ModelVersion]) -> Callable[[str], Signature]:
    """What a member's champion takes and gives; `met` keeps whom was looked at."""

    def look(member: str) -> Signature:
        found = _champion(world, member)
        if found is None:
            raise RequestInvalid(
                f"nothing answers as {member[:100]!r}", fields={"graph": f"{member[:100]} must be a deployment or a loop with a champion"}
            )
        met[member] = found
        return found.candidate.signature

    return look


def _champion(world: World, name: str) -> ModelVersion | None:
    number = aliases.current(world.records, name, CHAMPION)
    try:
        return None if number is None else versions.get(world.records, name, number)
    except NotFound:
        return None
