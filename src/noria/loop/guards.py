"""Compares challenger and champion by each guard: errors, latency, and metrics of the task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from noria.core.declaration.rollout import AB, TOLERATED_QUALITY, Canary, Strategy, compared
from noria.core.schema import Estimate, Task
from noria.core.traffic import Role
from noria.core.turning import GuardReading, Rollout, RolloutPhase
from noria.loop.evidence import GUARD_ROWS, Evidence, in_force
from noria.loop.operating import GUARD as OPERATIONS
from noria.loop.operating import operating
from noria.loop.outcomes import answers
from noria.stages.evaluation import sequential

WITHOUT_OUTCOMES = ("errors", "latency", "agreement", "operations")
"""Guards that need no outcome, and are no metrics of the task."""
LATENCY_GRACE_MS = 20.0
"""Latencies are compared as log(this + latency): below it nobody feels a difference."""
BETWEEN_ARMS = " between arms"


def weigh(strategy: Strategy, evidence: Evidence, rollout: Rollout) -> tuple[GuardReading, ...]:
    """Every guard's reading; where a metric decides, its reading is the last.

    Errors and latency are compared within a step: pooling steps of different shares would compare
    different days (Simpson's paradox). They begin anew on each step, so their error is split over
    the steps too. Metrics are paired, row by row, so all their rows count; only an `AB` compares
    what each arm answered itself.
    """
    alpha, deciding = 1 - strategy.confidence, "" if isinstance(strategy, Canary) else strategy.metric
    named = compared(strategy)
    each = alpha / len(named)
    of_step = evidence.rows.filter(pl.col("time") >= rollout.step_started_at)
    readings = []
    for guard in strategy.guard:
        if guard in WITHOUT_OUTCOMES:
            readings += _at_once(guard, strategy, each, of_step, evidence, rollout)
        elif guard != deciding or isinstance(strategy, AB):
            readings.append(paired(guard, _margin(strategy, guard), each, evidence))
    if isinstance(strategy, AB):
        readings.append(between_arms(strategy.metric, _margin(strategy, strategy.metric), alpha, evidence, rollout))
    elif deciding:
        readings.append(paired(deciding, _margin(strategy, deciding), each, evidence))
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
    return (
        f"{guard.guard}: {word}; challenger worse by {d.value:+.4g} [{d.low:+.4g}, {d.high:+.4g}], margin {guard.margin:g}, "
        f"p {guard.p_value:.2g}, {guard.challenger_n:,} rows"
    )


def paired(metric: str, margin: float, alpha: float, evidence: Evidence) -> GuardReading:
    """Compare on the champion's requests, which the challenger also answered unseen."""
    told = evidence.outcomes.filter(pl.col("error") == "")
    shadow = told.filter(pl.col("role") == Role.SHADOW)
    both = told.filter(pl.col("role") == Role.CHAMPION).join(shadow, on="request_id", suffix=" of challenger")
    y = both["outcome"].cast(pl.Float64).to_numpy()
    return sequential.guard_metric(
        metric,
        task=evidence.task,
        champion=(y, answers(both, evidence.task)),
        challenger=(y, answers(both, evidence.task, " of challenger")),
        paired=True,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
        design_effect=evidence.design_effect.get(metric, 1.0),
        given=evidence.given,
    )


def between_arms(metric: str, margin: float, alpha: float, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """Compare each arm on its own requests, whose outcomes came about under its own answers.

    Both arms live through the same days, so a day's weather cancels out but for how differently it
    touches the two models. That part is known from the pairs: the design effect beyond 1.
    """
    told = in_force(rollout, evidence.rows, evidence.outcomes.filter(pl.col("error") == ""))
    one, other = (told.filter(pl.col("role") == role) for role in (Role.CHAMPION, Role.CHALLENGER))
    effect = max(evidence.design_effect.get(metric, 1.0), 1.0)
    se = paired(metric, margin, alpha, replace(evidence, outcomes=told)).difference.se if effect > 1 else 0.0
    reading = sequential.guard_arms(
        metric,
        task=evidence.task,
        champion=(one["outcome"].cast(pl.Float64).to_numpy(), answers(one, evidence.task)),
        challenger=(other["outcome"].cast(pl.Float64).to_numpy(), answers(other, evidence.task)),
        units=(_codes(one), _codes(other)),
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
        common=se**2 * (1 - 1 / effect) if np.isfinite(se) else 0.0,
        given=evidence.given,
    )
    return replace(reading, guard=metric + BETWEEN_ARMS)


def _at_once(
    guard: str, strategy: Strategy, alpha: float, of_step: pl.DataFrame, evidence: Evidence, rollout: Rollout
) -> list[GuardReading]:
    """A guard that needs no outcome; none where versions cannot agree, or where nothing runs beside the champion yet."""
    margin = strategy.margin[guard]
    if guard == "agreement":
        expected = evidence.agreement
        return [] if expected is None or not np.isfinite(expected.value) else [_agreement(margin, alpha, expected, evidence)]
    if guard == "operations":
        return [] if rollout.phase is RolloutPhase.SHADOW else [operating(_felt(of_step), margin=margin, min_n=GUARD_ROWS)]
    compare = _errors if guard == "errors" else _latency
    return [compare(margin, alpha * _of_step(strategy, rollout.step), of_step)]


def _agreement(margin: float, alpha: float, expected: Estimate, evidence: Evidence) -> GuardReading:
    """On the champion's requests, which the challenger also answered unseen, whatever came of them."""
    wide = "answers" if evidence.task is Task.MULTICLASS else "answer"
    told = evidence.rows.filter(pl.col("error") == "").drop_nulls(wide)
    shadow = told.filter(pl.col("role") == Role.SHADOW)
    both = told.filter(pl.col("role") == Role.CHAMPION).join(shadow, on="request_id", suffix=" of challenger")
    return sequential.guard_agreement(
        answers(both, evidence.task),
        answers(both, evidence.task, " of challenger"),
        expected=expected,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def _codes(rows: pl.DataFrame) -> np.ndarray:
    return np.unique(rows["key"].to_numpy(), return_inverse=True)[1].astype(np.intp)


def _margin(strategy: Strategy, metric: str) -> float:
    return strategy.margin.get(metric, TOLERATED_QUALITY)


def _of_step(strategy: Strategy, step: int) -> float:
    """The part of the error probability that is spent on this step; all parts sum to 1 at most.

    Nobody knows how often a bandit's share will move, so there the parts are 1/2, 1/6, 1/12, …
    """
    if isinstance(strategy, Canary):
        return 1 / (len(strategy.steps) + 1)
    return 1 / ((step + 2) * (step + 3)) if not isinstance(strategy, AB) else 0.5


def _errors(margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    champion = rows.filter(pl.col("role") == Role.CHAMPION)
    challenger = rows.filter(pl.col("role").is_in([Role.CHALLENGER, Role.SHADOW]))
    return sequential.guard_rate(
        "errors",
        champion_events=champion.filter(pl.col("error") != "").height,
        champion_n=champion.height,
        challenger_events=challenger.filter(pl.col("error") != "").height,
        challenger_n=challenger.height,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def _latency(margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    """What users felt: shadows wait behind them, so their time says nothing."""
    felt = _felt(rows)
    return sequential.guard_mean(
        "latency",
        felt.filter(pl.col("role") == Role.CHAMPION)["felt"].to_numpy(),
        felt.filter(pl.col("role") == Role.CHALLENGER)["felt"].to_numpy(),
        margin=float(np.log1p(margin)),
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def _felt(rows: pl.DataFrame) -> pl.DataFrame:
    """With `felt`, the latency as people feel it, and `answered`, whether there is an answer that is a number."""
    answered = pl.col("answer").is_finite().fill_null(False) if "answers" not in rows.columns else pl.col("answers").is_not_null()
    return rows.with_columns(felt=(pl.col("latency_us") / 1000 + LATENCY_GRACE_MS).log(), answered=answered)
