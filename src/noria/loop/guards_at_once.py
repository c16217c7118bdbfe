"""Guards that need no outcome and no second answer: errors, answers that are no number, latency, operations."""

from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.traffic import Role
from noria.core.turning import GuardReading, Rollout, RolloutPhase
from noria.loop.evidence import BLUE_GREEN, GUARD_ROWS, INTERLEAVED, Evidence
from noria.loop.operating import operating
from noria.stages.evaluation import sequential
from noria.stages.serving.computed import NOT_FINITE

LATENCY_GRACE_MS = 20.0
"""Latencies are compared as log(this + latency): below it nobody feels a difference."""

_CHAMPIONS, _CHALLENGERS = (Role.CHAMPION, Role.CONTROL), (Role.CHALLENGER, Role.SHADOW)


def errors(margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    """How often either version failed on a request, on this step's rows."""
    return _rate("errors", pl.col("error") != "", margin, alpha, rows)


def errors_on_same_requests(margin: float, alpha: float, evidence: Evidence) -> GuardReading:
    """The same on all requests that both versions computed: whatever the share was then, both met the same days."""
    sides = [evidence.rows.filter(pl.col("role").is_in(list(roles))) for roles in (_CHAMPIONS, _CHALLENGERS)]
    both = [one.join(other.select("request_id"), on="request_id", how="semi") for one, other in (sides, sides[::-1])]
    return errors(margin, alpha, pl.concat(both))


def not_finite(margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    """How often either version gave an answer that is no finite number, or none; users never saw it."""
    return _rate("nan", pl.col("error").str.starts_with(NOT_FINITE), margin, alpha, rows)


def latency(margin: float, alpha: float, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """What users felt: shadows wait behind them, so their time says nothing."""
    both = _met_by_users(evidence, rollout)
    return sequential.guard_mean(
        "latency",
        both.filter(pl.col("role") == Role.CHAMPION)["felt"].to_numpy(),
        both.filter(pl.col("role") == Role.CHALLENGER)["felt"].to_numpy(),
        margin=float(np.log1p(margin)),
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def operations(margin: float, evidence: Evidence, rollout: Rollout) -> list[GuardReading]:
    """The operational score; none where no user meets the challenger yet."""
    if rollout.phase is RolloutPhase.SHADOW:
        return []
    return [operating(_met_by_users(evidence, rollout), margin=margin, min_n=GUARD_ROWS)]


def _rate(guard: str, event: pl.Expr, margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    champion, challenger = (rows.filter(pl.col("role").is_in(list(roles))) for roles in (_CHAMPIONS, _CHALLENGERS))
    return sequential.guard_rate(
        guard,
        champion_events=champion.filter(event).height,
        champion_n=champion.height,
        challenger_events=challenger.filter(event).height,
        challenger_n=challenger.height,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def _met_by_users(evidence: Evidence, rollout: Rollout) -> pl.DataFrame:
    """Answers of this step that users waited for, with `felt`, their latency as people feel it, and `answered`.

    Where every request waits for the challenger, the champion's side is its own last day.
    """
    rows = evidence.rows.filter(pl.col("time") >= rollout.step_started_at)
    if rollout.kind in (BLUE_GREEN, INTERLEAVED) and rollout.phase is not RolloutPhase.SHADOW:
        mine = evidence.rows.filter(pl.col("time") < rollout.step_started_at) if evidence.past is None else evidence.past
        past = mine.filter(pl.col("role") == Role.CHAMPION)
        rows = pl.concat([past.select(rows.columns), rows.filter(pl.col("role") == Role.CHALLENGER)])
    answered = pl.col("answer").is_finite().fill_null(False) if "answers" not in rows.columns else pl.col("answers").is_not_null()
    return rows.with_columns(felt=(pl.col("latency_us") / 1000 + LATENCY_GRACE_MS).log(), answered=answered)
