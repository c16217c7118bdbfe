"""Makes the routing plan from the records and publishes it: the plan is always a projection, never a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from noria.core.errors import DataInvalid
from noria.core.registry import Deployment, ModelVersion
from noria.core.state import LoopState
from noria.core.traffic import Plan, Route, ServedVersion
from noria.core.turning import Rollout, RolloutPhase
from noria.ledger.documents import Documents
from noria.loop.drills import armed
from noria.loop.evidence import BLUE_GREEN, INTERLEAVED
from noria.loop.examined import kept_background
from noria.loop.graphs import form_of
from noria.loop.keys import bring_keys_out
from noria.loop.world import World
from noria.packaging.python_zip import FORMAT as PYTHON
from noria.ports import wire
from noria.stages.registry import aliases, versions
from noria.stages.serving.plan_shards import Index, PlanReader, amend, read_index, routes_of, write
from noria.stages.serving.whole_files import alone as by_oneself
from noria.stages.serving.whole_files import write_whole

CHAMPION, CHALLENGER = "champion", "challenger"
MOVED, PINNED = "alias.moved", "deployment.pinned"
CHANGING = (MOVED, PINNED, "rollout.begun", "rollout.advanced", "rollout.promoted", "rollout.rolled-back")
"""Kinds of event that change the route of a deployment."""
PAGE = 500


def open_rollout(documents: Documents, loop: str) -> Rollout | None:
    """The rollout that runs now, if one does."""
    for phase in (RolloutPhase.SHADOW, RolloutPhase.CANARY):
        running = documents.find(Rollout, where={"loop": loop, "phase": phase}, newest_first=True, limit=1)
        if running:
            return running[0]
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """How far the records are in the plan.

    Attributes:
        positions: Of the last event of each kind in the ledger that changes a deployment's route, of those that the plan knows of.
        revision: The plan's own, then; another plan in its place (an older copy, say) does not know.
    """

    positions: Mapping[str, int] = field(default_factory=dict)
    revision: int = 0


def bring_out(world: World) -> None:
    """Publish what the records ask for and the plan does not say yet.

    Routes of loops are made each time. Those of deployments without a loop, of which there may be many,
    are made where the ledger tells of a change since: it does so in the change's own commit.
    """
    bring_keys_out(world)
    with by_oneself(world.plan_file.parent):
        known = _projected(world)
        try:
            index = read_index(world.plan_file)
            if known is not None and index is not None and index.revision >= known.revision:
                _amended(world, known, index)
                return
        except (DataInvalid, FileNotFoundError):
            index = None
        _anew(world, max(index.revision if index else 0, known.revision if known else 0))


def _amended(world: World, known: Projected, index: Index) -> None:
    positions, moved = _moved(world, known.positions)
    wanted = _of_loops(world)
    tried = _tried(world) if moved else {}
    wanted |= {name: _alone(world, name, tried.get(name)) for name in moved if name not in wanted}
    there = routes_of(world.plan_file, index, set(wanted))
    changes = {name: route for name, route in wanted.items() if there.get(name) != route}
    revision = amend(world.plan_file, changes) if changes else index.revision
    if positions != known.positions:
        _remember(world, Projected(positions=positions, revision=revision))


def _anew(world: World, revision: int) -> None:
    """All of it, where no plan is out, or not one that says how far it is."""
    positions, _ = _moved(world, {})
    routes = _of_loops(world)
    tried = _tried(world)
    routes |= {name: _alone(world, name, tried.get(name)) for name in _deployed(world.documents) if name not in routes}
    plan = Plan(revision=revision, routes={name: route for name, route in routes.items() if route is not None})
    try:
        same = PlanReader(world.plan_file).read() == plan
    except (DataInvalid, FileNotFoundError):
        same = False
    if not same:
        plan = replace(plan, revision=revision + 1)
        write(plan, world.plan_file)
    _remember(world, Projected(positions=positions, revision=plan.revision))


def _of_loops(world: World) -> dict[str, Route | None]:
    routes: dict[str, Route | None] = {}
    for state in world.documents.find(LoopState):
        route = routes[state.name] = _route(world, state.name)
        if route is not None:
            routes[state.name] = _declared(route, state)
    return routes


def _remember(world: World, done: Projected) -> None:
    write_whole(_projection(world), wire.dump(done))


def _projection(world: World) -> Path:
    return world.plan_file.with_name("projected.json")


def _projected(world: World) -> Projected | None:
    try:
        return wire.load(_projection(world).read_bytes(), Projected)
    except (FileNotFoundError, DataInvalid):
        return None


def _moved(world: World, since: Mapping[str, int]) -> tuple[dict[str, int], set[str]]:
    """How far the ledger is now, by kind of event, and whose routes changed since."""
    names: set[str] = set()
    positions = dict(since)
    for kind in CHANGING:
        while some := world.ledger.tail(kind=kind, after=positions.get(kind, 0), limit=1_000):
            names |= {event.loop for _, event in some}
            positions[kind] = some[-1][0]
    return positions, names


def _declared(route: Route, state: LoopState) -> Route:
    """A route as its loop wants it served."""
    champion = replace(route.champion, isolated=True) if state.isolated else route.champion
    return replace(route, champion=champion, explain=state.explain)


def _deployed(documents: Documents) -> Iterator[str]:
    """Every deployment without a loop that answers."""
    after = ""
    while True:
        some = documents.find(Deployment, where={"state": "answering"}, limit=PAGE, after=after)
        yield from (one.name for one in some)
        if len(some) < PAGE:
            return
        after = some[-1].name


def _tried(world: World) -> dict[str, Rollout]:
    """The canaries that run, by name: there are few, however many deployments there are."""
    return {one.loop: one for one in world.documents.find(Rollout, where={"phase": RolloutPhase.CANARY})}


def _alone(world: World, name: str, rollout: Rollout | None) -> Route | None:
    """The route of a deployment without a loop.

    Args:
        rollout: Its canary, if one runs.
    """
    found = world.documents.get(Deployment, name)
    if found is None or found.version is None:
        return None
    route = replace(_of_champion(world, name, found.version), pinned=found.pinned)
    if rollout is None or rollout.champion != found.version:
        return route
    challenger = _served(world, versions.get(world.records, name, rollout.challenger))
    return replace(route, challenger=challenger, challenger_share=rollout.share, salt=rollout.id, timeout_ms=rollout.timeout_ms)


def _of_champion(world: World, name: str, number: int) -> Route:
    before = aliases.previous(world.records, name, CHAMPION)
    return Route(
        deployment=name,
        champion=as_champion(world, versions.get(world.records, name, number)),
        before=None if before is None else _served(world, versions.get(world.records, name, before)),
    )


def _route(world: World, name: str) -> Route | None:
    number = aliases.current(world.records, name, CHAMPION)
    if number is None:
        return None
    route = replace(_of_champion(world, name, number), pinned=True)
    rollout = open_rollout(world.documents, name)
    if rollout is None or rollout.champion != number:
        return route
    interleave = rollout.kind == INTERLEAVED and rollout.phase is RolloutPhase.CANARY
    challenger = _served(world, versions.get(world.records, name, rollout.challenger))
    return replace(
        route,
        challenger=replace(challenger, fault=armed(world.records, name, rollout.challenger)),
        challenger_share=0.0 if interleave else rollout.share,
        shadow=True,
        control=rollout.kind == BLUE_GREEN,
        interleave=interleave,
        salt=rollout.id,
        timeout_ms=rollout.timeout_ms,
    )


def as_champion(world: World, version: ModelVersion) -> ServedVersion:
    """A registered version as the data plane needs its champion: with the rows that its reasons are held against."""
    return replace(_served(world, version), background=kept_background(version.scorecard, world.blobs))


def _served(world: World, version: ModelVersion) -> ServedVersion:
    candidate = version.candidate
    loop = version.origin.rpartition("@")[0] if version.code and version.origin else version.model
    return ServedVersion(
        number=version.number,
        artifact=candidate.artifact,
        code=version.code,
        signature=candidate.signature,
        loop=loop,
        isolated=candidate.serving_form == PYTHON,
        family=version.family,
        graph=form_of(world, version),
    )
