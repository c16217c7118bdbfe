"""A new version of a deployment without a loop on a share of its traffic: begun, looked at, and ended by guards or by a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from noria.core.declaration.rollout import Canary
from noria.core.errors import RequestInvalid
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.registry import ModelVersion
from noria.core.state import LoopState
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.guards import said
from noria.loop.looks import Look, promoted, taken_out, waiting
from noria.loop.planning import open_rollout
from noria.loop.rollout import begin, look
from noria.loop.steering import evidence, told
from noria.loop.world import World
from noria.ports.records import Write

GUARDS = ("errors", "nan", "latency")
"""What is compared where nobody has said what a good answer is."""

WHOLE = 100.0
TIMEOUT_MS = 1_000.0
"""The new version has this long; then the one before it answers."""


def steps_of(given: Sequence[float]) -> tuple[float, ...]:
    """The steps of a canary, in percent.

    Raises:
        RequestInvalid: they are no rising percentages.
    """
    steps = tuple(float(one) for one in given)
    if not all(0 < one <= WHOLE for one in steps) or list(steps) != sorted(set(steps)) or steps[:1] == (WHOLE,):
        raise RequestInvalid(
            f"{', '.join(f'{one:g}' for one in steps)} are no steps of a canary",
            fix="write percentages that rise, such as 10, or 10,50,100 to go up and be promoted without a person",
        )
    return steps


def begun(world: World, champion: ModelVersion, version: ModelVersion, steps: Sequence[float], *, by: str, because: str) -> list[Write]:
    """Let the version answer its first share, as writes.

    Raises:
        RequestInvalid: it cannot answer the champion's requests, or one of the two is a graph.
    """
    _comparable(champion, version)
    now = world.clock.now()
    id = new_id("rollout", to_ms(now))
    strategy = _strategy(steps)
    rollout = begin(strategy, id=id, loop=version.model, turn=id, champion=champion.number, challenger=version.number, now=now)
    then = "promoted where nothing speaks of harm" if steps[-1] == WHOLE else f"then `noria promote {version.number} {version.model}`"
    event = world.ledger.event(
        "rollout.begun",
        loop=version.model,
        subject=f"{version.model}@{version.number}",
        by=by,
        reasons=(f"v{version.number} answers {steps[0]:g} % of requests, v{champion.number} the others; {then}",),
        because=(because,),
        turn=id,
        id=f"{id}:rollout",
    )
    return [world.documents.write(replace(rollout, steps=tuple(steps)), expect=0), world.ledger.line(event)]


def over(world: World, name: str, *, promote: int | None, reason: str) -> list[Write]:
    """End the canary that runs, as writes; none where none does.

    Args:
        promote: The version that becomes champion, if one does.
    """
    running = open_rollout(world.documents, name)
    known = None if running is None else world.documents.revision(Rollout, running.id)
    if known is None or known[0].ended_at is not None:
        return []
    end = promoted if known[0].challenger == promote else taken_out
    return _ended(world, end(known[0], world.clock.now(), [reason]), known[1])


def looked(world: World) -> Iterator[tuple[Look, list[Write]]]:
    """Look at every canary that runs; each look that moved one, with what it writes."""
    for rollout in world.documents.find(Rollout, where={"phase": RolloutPhase.CANARY}):
        known = world.documents.revision(Rollout, rollout.id)
        if rollout.turn != rollout.id or known is None or world.documents.get(LoopState, rollout.loop) is not None:
            continue
        seen = _look(world, known[0])
        if seen.rollout != known[0]:
            yield seen, _ended(world, seen, known[1])


def _look(world: World, rollout: Rollout) -> Look:
    """One look; a canary that a person promotes stays where it is however well it does."""
    strategy = _strategy(rollout.steps)
    seen = look(replace(rollout, steps=strategy.steps), strategy, evidence(world, rollout), world.clock.now())
    if seen.happened in ("promoted", "advanced") and strategy.steps != rollout.steps and rollout.step == len(rollout.steps) - 1:
        ready = f"nothing speaks of harm; `noria promote {rollout.challenger} {rollout.loop}` makes it champion"
        return waiting(replace(rollout, looks=seen.rollout.looks, touched=seen.rollout.touched, failed=seen.rollout.failed), ready)
    return replace(seen, rollout=replace(seen.rollout, steps=rollout.steps))


def _strategy(steps: Sequence[float]) -> Canary:
    whole = steps if steps[-1] == WHOLE else (*steps, WHOLE)
    return Canary(whole, guard=GUARDS, shadow_rows=0, timeout_ms=TIMEOUT_MS)


def _ended(world: World, seen: Look, revision: int) -> list[Write]:
    return [world.documents.write(seen.rollout, expect=revision), *told(world, seen)]


def _comparable(champion: ModelVersion, version: ModelVersion) -> None:
    old, new = champion.candidate, version.candidate
    if "graph" in (old.format, new.format):
        raise RequestInvalid("a graph has no canary: its members have", fix="deploy a member with --canary, or the graph without")
    ours, theirs = old.signature, new.signature
    if (ours.task, ours.classes) != (theirs.task, theirs.classes):
        raise RequestInvalid(f"v{champion.number} answers {ours.task} and the new model {theirs.task}: nothing can be compared")
    kinds = {field.name: field.kind for field in ours.inputs}
    strange = [field.name for field in theirs.inputs if field.required and kinds.get(field.name) is not field.kind]
    if strange:
        raise RequestInvalid(f"the new model requires {', '.join(strange[:5])}, which requests of today do not carry so")


def standing(rollout: Rollout) -> str:
    """Where a canary stands, in one line."""
    guards = "; ".join(said(guard) for guard in rollout.looks)
    return f"v{rollout.challenger} answers {100 * rollout.share:g} % of requests" + f"; {guards}" * bool(guards)
