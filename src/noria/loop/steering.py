"""Takes one look at a running rollout and writes down what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from noria.core.errors import NotFound
from noria.core.traffic import Role
from noria.core.turning import Rollout, RolloutPhase
from noria.durable.trip import Trip
from noria.loop import worth
from noria.loop.evidence import BLUE_GREEN, INTERLEAVED, Evidence
from noria.loop.given import given_of
from noria.loop.looks import Look
from noria.loop.outcomes import coded
from noria.loop.rollout import look, out
from noria.loop.states import state_of
from noria.loop.world import Declared, World
from noria.ports.records import Write
from noria.stages.registry import versions
from noria.stages.serving import log

LAST_DAY = timedelta(days=1)
ENDED = (RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK)


def steer(trip: Trip, declared: Declared, world: World, rollout_id: str) -> Rollout | None:
    """Look once; returns the rollout when it has ended, None while it goes on.

    The rollout moves by compare-and-set together with its line in the ledger: a person's order
    or another process that came first is seen on the next look.
    """
    known = world.documents.revision(Rollout, rollout_id)
    if known is None:
        raise NotFound(f"there is no {rollout_id}")
    rollout, revision = known
    if rollout.phase in ENDED:
        return rollout
    held = state_of(world.documents, rollout.loop).held
    if held:
        killed = out(rollout, trip.clock.now(), held)
        trip.write(world.documents.write(killed.rollout, expect=revision), *told(world, killed))
        return killed.rollout
    found = evidence(world, rollout)
    seen = look(rollout, declared.loop.rollout, found, trip.clock.now())
    trip.note(seen.rollout.reason)
    if seen.rollout != rollout:
        trip.write(world.documents.write(seen.rollout, expect=revision), *told(world, seen, _weighed(world, seen, found)))
    return seen.rollout if seen.rollout.phase in ENDED else None


def evidence(world: World, rollout: Rollout) -> Evidence:
    """All traffic since the rollout began, from the prediction log."""
    champion, version = (versions.get(world.records, rollout.loop, number) for number in (rollout.champion, rollout.challenger))
    signature = version.candidate.signature
    columns = ["request_id", "version", "role", "time", "key", "answer", "latency_us", "error", "propensity"]
    if len(signature.classes) > 2:
        columns.append("answers")
    if rollout.kind == INTERLEAVED:
        columns.append(f"in:{signature.group}")
    rows = log.predictions(world.log_folder, rollout.loop, since=rollout.started_at, columns=columns).rename(
        {f"in:{signature.group}": "group"}, strict=False
    )
    outcomes = log.outcomes(world.log_folder, rollout.loop, since=rollout.started_at)
    labelled = rows.join(outcomes.select("request_id", outcome="value"), on="request_id", how="inner")
    labelled = labelled.with_columns(outcome=coded(labelled["outcome"], signature)).drop_nulls("outcome")
    ours = given_of(version.candidate)
    return Evidence(
        rows=rows,
        outcomes=labelled,
        task=signature.task,
        design_effect=version.scorecard.design_effect,
        agreement=version.scorecard.agreement,
        given=(given_of(champion.candidate, costs=ours.costs), ours),
        business=log.business(world.log_folder, rollout.loop, since=rollout.started_at),
        past=_last_day(world, rollout, columns),
    )


def _last_day(world: World, rollout: Rollout, columns: Sequence[str]) -> pl.DataFrame | None:
    """The champion's answers on the day before users met the challenger, where there are no others to hold it against."""
    if rollout.kind not in (BLUE_GREEN, INTERLEAVED) or rollout.phase is RolloutPhase.SHADOW:
        return None
    since, until = rollout.started_at - LAST_DAY, rollout.step_started_at
    return log.predictions(world.log_folder, rollout.loop, since=since, until=until, roles=(Role.CHAMPION,), columns=columns).rename(
        lambda name: "group" if name.startswith("in:") else name
    )


def told(world: World, seen: Look, more: Sequence[str] = ()) -> Sequence[Write]:
    """The line in the ledger, if anything happened; `more` are reasons besides the look's own."""
    if not seen.happened:
        return []
    rollout = seen.rollout
    prefix = f"{rollout.turn}:"
    ended = rollout.phase in ENDED
    steps = _steps_taken(world, rollout)
    event = world.ledger.event(
        f"rollout.{seen.happened}",
        loop=rollout.loop,
        subject=f"{rollout.loop}@{rollout.challenger}",
        reasons=(*seen.reasons, *more),
        because=(steps[-1] if steps else f"{prefix}rollout",),
        numbers=seen.numbers,
        turn=rollout.turn,
        id=f"{prefix}rollout-ended" if ended else f"{prefix}step-{rollout.step}",
    )
    return [world.ledger.line(event)]


def _steps_taken(world: World, rollout: Rollout) -> list[str]:
    """Ids of the lines that tell of the steps before this one, or of all when it has ended."""
    asked = [f"{rollout.turn}:step-{n}" for n in range(rollout.step + (rollout.phase in ENDED))]
    known = {event.id for event in world.ledger.get(asked)}
    return [id for id in asked if id in known]


def _weighed(world: World, seen: Look, found: Evidence) -> list[str]:
    """When a bandit has ended: what either version would have been worth on all of its traffic."""
    rollout = seen.rollout
    if rollout.kind != "bandit" or rollout.phase not in ENDED:
        return []
    moves = world.ledger.get(_steps_taken(world, rollout))
    values = worth.of_either(found, [(event.at, share / 100) for event, share in zip(moves, rollout.steps, strict=False)])
    return [worth.said(found.task, values)] if values else []
