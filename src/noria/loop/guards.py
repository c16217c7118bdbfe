"""Compares challenger and champion by each guard that a strategy names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from noria.core.declaration.rollout import AB, TOLERATED_QUALITY, Bandit, Canary, Interleave, Shadow, Strategy, compared, deciding
from noria.core.declaration.tolerance import BUSINESS
from noria.core.turning import GuardReading, Rollout
from noria.loop import guards_at_once, guards_of_answers
from noria.loop.evidence import Evidence
from noria.loop.guards_of_outcomes import between_arms, business, paired, preferred
from noria.loop.operating import GUARD as OPERATIONS
from noria.stages.evaluation.preference import GUARD as PREFERENCE

WITHOUT_OUTCOMES = ("errors", "latency", "agreement", "operations", "nan", "distribution")
"""Guards that need no outcome, and are no metrics of the task."""
FELT = ("latency", OPERATIONS)
"""Guards on what users feel; business numbers are too."""


def is_metric(guard: str) -> bool:
    """Whether a guard is a metric of the task."""
    return guard not in WITHOUT_OUTCOMES and not guard.startswith(BUSINESS)


def is_felt(guard: str) -> bool:
    """Whether a guard has nothing to say before users meet the challenger."""
    return guard in FELT or guard.startswith(BUSINESS)


def weigh(strategy: Strategy, evidence: Evidence, rollout: Rollout) -> tuple[GuardReading, ...]:
    """Every guard's reading; what decides, a metric or users' preference, is the last.

    Errors, latency and business numbers are compared within a step: pooling steps of different
    shares would compare different days (Simpson's paradox). They begin anew on each step, so their
    error is split over the steps too. Metrics are paired, row by row, so all their rows count; only
    an `AB` compares what each arm answered itself.
    """
    alpha, decides = 1 - strategy.confidence, deciding(strategy)
    each = alpha / max(len(compared(strategy)), 1)
    readings = [
        reading
        for guard in strategy.guard
        if guard != decides or isinstance(strategy, AB)
        for reading in _readings(guard, strategy, each, evidence, rollout)
    ]
    if isinstance(strategy, AB):
        readings.append(between_arms(decides, _margin(strategy, decides), alpha, evidence, rollout))
    elif decides:
        readings.append(paired(decides, _margin(strategy, decides), each, evidence))
    if isinstance(strategy, Interleave):
        readings.append(preferred(strategy, evidence, rollout))
    return tuple(readings)


def said(guard: GuardReading) -> str:
    """One guard's reading as a sentence."""
    d = guard.difference
    if guard.verdict == "not-enough-data":
        return f"{guard.guard}: not enough data yet ({guard.champion_n:,} champion rows, {guard.challenger_n:,} challenger rows)"
    if guard.guard == OPERATIONS:
        return f"operations: score {100 * (1 - d.value):.0f} of 100, at least {100 * (1 - guard.margin):.0f}" + f" ({guard.note})" * bool(
            guard.note
        )
    word = {"harm": "harm", "no-harm": "no harm", "undecided": "no harm seen"}[guard.verdict]
    what = "challenger worse by" if guard.guard != "distribution" else "widest gap"
    return (
        f"{guard.guard}: {word}; {what} {d.value:+.4g} [{d.low:+.4g}, {d.high:+.4g}], margin {guard.margin:g}, "
        f"p {guard.p_value:.2g}, {guard.challenger_n:,} {'queries' if guard.guard == PREFERENCE else 'rows'}"
        + f" ({guard.note})"
        * bool(guard.note)
    )


def _readings(guard: str, strategy: Strategy, alpha: float, evidence: Evidence, rollout: Rollout) -> Iterator[GuardReading]:
    """A guard's reading; none where versions cannot agree, or where no user meets the challenger yet."""
    margin, of_step = _margin(strategy, guard), evidence.rows.filter(pl.col("time") >= rollout.step_started_at)
    here = alpha * _of_step(strategy, rollout.step)
    if guard.startswith(BUSINESS):
        yield business(guard, margin, here, evidence, rollout)
    elif guard == "errors" and isinstance(strategy, Bandit):
        whole = guards_at_once.errors_on_same_requests(margin, alpha / 2, evidence)
        yield whole if whole.verdict == "harm" else guards_at_once.errors(margin, here / 2, of_step)
    elif guard == "errors":
        yield guards_at_once.errors(margin, here, of_step)
    elif guard == "nan":
        yield guards_at_once.not_finite(margin, here, of_step)
    elif guard == "latency":
        yield guards_at_once.latency(margin, here, evidence, rollout)
    elif guard == OPERATIONS:
        yield from guards_at_once.operations(margin, evidence, rollout)
    elif guard == "agreement":
        if evidence.agreement is not None and np.isfinite(evidence.agreement.value):
            yield guards_of_answers.agreement(margin, alpha, evidence.agreement, evidence)
    elif guard == "distribution":
        yield guards_of_answers.distribution(margin, alpha, evidence, rollout)
    else:
        yield paired(guard, margin, alpha, evidence)


def _margin(strategy: Strategy, guard: str) -> float:
    return strategy.margin.get(guard, TOLERATED_QUALITY)


def _of_step(strategy: Strategy, step: int) -> float:
    """The part of the error probability that is spent on this step; all parts sum to 1 at most.

    Nobody knows how often a bandit's share will move, so there the parts are 1/2, 1/6, 1/12, …; half
    of the errors' part is kept for all shares together, or a slow leak would begin anew at each.
    """
    match strategy:
        case Canary():
            return 1 / (len(strategy.steps) + 1)
        case Bandit():
            return 1 / ((step + 2) * (step + 3))
        case Shadow():
            return 1.0
        case _:
            return 0.5
