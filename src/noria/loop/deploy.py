"""Makes the routing plan from the records and publishes it: the plan is always a projection, never a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from noria.core.registry import Deployment, ModelVersion
from noria.core.state import LoopState
from noria.core.traffic import Plan, Route, ServedVersion
from noria.core.turning import Rollout, RolloutPhase
from noria.ledger.documents import Documents
from noria.loop.drills import armed
from noria.loop.evidence import BLUE_GREEN, INTERLEAVED
from noria.loop.keys import bring_keys_out
from noria.loop.world import World
from noria.stages.registry import aliases, versions
from noria.stages.serving.plans import publish, read_plan

CHAMPION, CHALLENGER = "champion", "challenger"
PAGE = 500


def open_rollout(documents: Documents, loop: str) -> Rollout | None:
    """The rollout that runs now, if one does."""
    for phase in (RolloutPhase.SHADOW, RolloutPhase.CANARY):
        running = documents.find(Rollout, where={"loop": loop, "phase": phase}, newest_first=True, limit=1)
        if running:
            return running[0]
    return None


def bring_out(world: World) -> Plan:
    """Publish the plan that the records ask for, unless it is out already; returns the one that is out."""
    routes = {}
    states = {state.name: state for state in world.documents.find(LoopState)}
    apart = {name for name, state in states.items() if state.isolated}
    for name in (*states, *_deployed(world.documents)):
        route = _route(world, name)
        if route is not None:
            routes[name] = replace(route, champion=replace(route.champion, isolated=True)) if name in apart else route
    bring_keys_out(world)
    out = read_plan(world.plan_file) or Plan(revision=0)
    if out.routes == routes:
        return out
    plan = Plan(revision=out.revision + 1, routes=routes)
    publish(plan, world.plan_file)
    return plan


def _deployed(documents: Documents) -> Iterator[str]:
    """Every deployment without a loop that answers."""
    after = ""
    while True:
        some = documents.find(Deployment, where={"state": "answering"}, limit=PAGE, after=after)
        yield from (one.name for one in some)
        if len(some) < PAGE:
            return
        after = some[-1].name


def _route(world: World, name: str) -> Route | None:
    number = aliases.current(world.records, name, CHAMPION)
    if number is None:
        return None
    before = aliases.previous(world.records, name, CHAMPION)
    route = Route(
        deployment=name,
        champion=_served(versions.get(world.records, name, number)),
        before=None if before is None else _served(versions.get(world.records, name, before)),
    )
    rollout = open_rollout(world.documents, name)
    if rollout is None or rollout.champion != number:
        return route
    interleave = rollout.kind == INTERLEAVED and rollout.phase is RolloutPhase.CANARY
    challenger = _served(versions.get(world.records, name, rollout.challenger))
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


def _served(version: ModelVersion) -> ServedVersion:
    candidate = version.candidate
    loop = version.origin.rpartition("@")[0] if version.code and version.origin else version.model
    return ServedVersion(number=version.number, artifact=candidate.artifact, code=version.code, signature=candidate.signature, loop=loop)
