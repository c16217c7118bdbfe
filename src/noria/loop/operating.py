"""What running a challenger is like, beside the champion: the operational score as one of a rollout's guards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from noria.core.schema import Estimate
from noria.core.traffic import Role
from noria.core.turning import GuardReading
from noria.stages.evaluation.operations import Measure, judged

GUARD = "operations"
BLOCKS = 120
"""Blocks of requests that either version's part of a step is cut into, each one point of every metric."""

MEASURES = (
    Measure(name="latency", allowed=float(np.log1p(0.25))),
    Measure(name="slowest", allowed=float(np.log1p(0.5))),
    Measure(name="errors", allowed=0.002, critical=True, needed=True),
    Measure(name="empty answers", allowed=0.002, critical=True),
)
"""Felt latency in the middle and among the slowest of a block, failures, and answers that are no number."""


def operating(rows: pl.DataFrame, *, margin: float, min_n: int) -> GuardReading:
    """Score the challenger on its own requests of this step against the champion's on theirs.

    Its verdict is never "harm", as it is no sequential test: a score below 100 × (1 − margin) holds
    the challenger where it is.

    Args:
        rows: This step's answers with `felt` (logarithm of latency), `error`, `answered` and `role`, in order of time.
        margin: Part of the score that may be missing.
    """
    arms = [_points(rows.filter(pl.col("role") == role)) for role in (Role.CHAMPION, Role.CHALLENGER)]
    sizes = [rows.filter(pl.col("role") == role).height for role in (Role.CHAMPION, Role.CHALLENGER)]
    score = judged(MEASURES, {name: (arms[0][name], arms[1][name]) for name in arms[0]})
    missing = 1 - score.value / 100
    verdict = "not-enough-data" if min(sizes) < min_n or np.isnan(missing) else "no-harm" if missing <= margin else "undecided"
    return GuardReading(
        guard=GUARD,
        difference=Estimate(value=missing, low=float("nan"), high=float("nan"), n=sum(sizes)),
        margin=margin,
        p_value=1.0,
        verdict=verdict,
        champion_n=sizes[0],
        challenger_n=sizes[1],
        note="; ".join(f"{f.measure.name} {f.found} by {f.shift.value:+.3g}" for f in score.findings if f.worse),
    )


def _points(arm: pl.DataFrame) -> dict[str, np.ndarray]:
    """One number per block of each metric, shape (blocks,)."""
    felt, failed = arm["felt"].to_numpy(), (arm["error"] != "").to_numpy().astype(np.float64)
    empty = (~arm["answered"] & (arm["error"] == "")).to_numpy().astype(np.float64)
    return {
        "latency": _per_block(felt, np.median),
        "slowest": _per_block(felt, np.max),
        "errors": _per_block(failed, np.mean),
        "empty answers": _per_block(empty, np.mean),
    }


def _per_block(values: np.ndarray, summary: Callable[[np.ndarray], object]) -> np.ndarray:
    blocks = [block for block in np.array_split(values, min(BLOCKS, max(len(values) // 5, 1))) if len(block)]
    return np.array([summary(block) for block in blocks], dtype=np.float64)
