"""Brings a challenger in, and takes it out again as soon as the evidence says harm: what all strategies share."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from noria.core.declaration.rollout import AB, Bandit, BlueGreen, Canary, Interleave, Shadow, Strategy
from noria.core.traffic import Role
from noria.core.turning import Rollout, RolloutPhase
from noria.loop import ab, bandit, bluegreen, canary, interleave, shadow
from noria.loop.evidence import Evidence, in_force, skewed, touched
from noria.loop.guards import is_felt, is_metric, said, weigh
from noria.loop.looks import Look, Standing, taken_out
from noria.stages.evaluation.preference import GUARD as PREFERENCE


def begin(strategy: Strategy, *, id: str, loop: str, turn: str, champion: int, challenger: int, now: datetime) -> Rollout:
    """A rollout at its foot: in the shadow, or on the first step where no shadow is asked for."""
    unseen, steps = strategy.shadow_rows > 0, _steps(strategy)
    return Rollout(
        id=id,
        loop=loop,
        turn=turn,
        champion=champion,
        challenger=challenger,
        kind=type(strategy).__name__.lower(),
        steps=steps,
        phase=RolloutPhase.SHADOW if unseen else RolloutPhase.CANARY,
        step=-1 if unseen else 0,
        share=0.0 if unseen else steps[0] / 100,
        started_at=now,
        step_started_at=now,
        timeout_ms=strategy.timeout_ms,
    )


def look(rollout: Rollout, strategy: Strategy, evidence: Evidence, now: datetime) -> Look:
    """Weigh all guards, then take the challenger out, or let its strategy decide how it goes on.

    Harm on any guard takes the challenger out at once, and so does a split that is not the planned
    one. The guards' tests are always valid, so looking often costs nothing; their error is split
    evenly over the guards, and for those that begin anew on each step over the steps too (Bonferroni).
    """
    readings = weigh(strategy, evidence, rollout)
    asked, failed = touched(evidence.rows)
    counted = replace(rollout, looks=readings, touched=asked, failed=failed)
    harm = [said(guard) for guard in readings if guard.verdict == "harm"]
    rows = in_force(counted, evidence.rows)
    skew = skewed(counted, rows)
    if harm or skew:
        return taken_out(counted, now, harm or [skew])
    in_shadow = counted.phase is RolloutPhase.SHADOW
    standing = Standing(
        rollout=counted,
        rows=rows.filter(pl.col("role") == (Role.SHADOW if in_shadow else Role.CHALLENGER)).height,
        silent=[guard.guard for guard in readings if guard.verdict == "not-enough-data" and _must_speak(strategy, in_shadow, guard.guard)],
        now=now,
    )
    match strategy:
        case Canary():
            return canary.decide(standing, strategy)
        case AB():
            return ab.decide(standing, strategy)
        case Bandit():
            return bandit.decide(standing, strategy)
        case Shadow():
            return shadow.decide(standing, strategy)
        case BlueGreen():
            return bluegreen.decide(standing, strategy)
        case Interleave():
            return interleave.decide(standing, strategy)


def out(rollout: Rollout, now: datetime, reason: str) -> Look:
    """Take the challenger out by a person's order."""
    return taken_out(rollout, now, [reason])


def _steps(strategy: Strategy) -> tuple[float, ...]:
    match strategy:
        case Canary():
            return strategy.steps
        case AB():
            return (strategy.share,)
        case Bandit():
            return (100 * strategy.floor,)
        case BlueGreen():
            return (100.0,)
        case Interleave():
            return (50.0,)
        case Shadow():
            return ()


def _must_speak(strategy: Strategy, in_shadow: bool, guard: str) -> bool:
    """In the shadow no user is touched, so nothing waits there for outcomes that are told later, unless it is all there will be."""
    if isinstance(strategy, Interleave) and guard == PREFERENCE:
        return False
    if not in_shadow:
        return True
    return not is_felt(guard) and (isinstance(strategy, Shadow) or not is_metric(guard))
