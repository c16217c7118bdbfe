"""Two models compared over time, where neighbouring days resemble each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from noria.core.examination.comparing import SerialComparison, claimed
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.intervals import critical
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.metrics import arrays, metric
from noria.stages.evaluation.paired import facing

FEWEST_BLOCKS = 20
"""With fewer steps of time nothing is said of how they resemble each other."""


def serial(
    name: str,
    y: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    task: Task,
    blocks: NDArray,
    horizon: int | None = None,
    level: float = 0.95,
) -> SerialComparison | None:
    """Compare by Diebold & Mariano (1995), corrected by Harvey, Leybourne & Newbold (1997).

    Each row's influence on the difference is summed within its block; the variance of the
    difference then counts neighbouring blocks together with autocovariances up to horizon − 1. For a
    mean loss over blocks of equal size that is the published statistic; through influences
    it holds for ROC AUC and every other smooth metric too.

    Args:
        blocks: Shape (rows,): the step of time of each row, ascending numbers (days, say).
        horizon: Steps over which differences may be correlated; the cube root of the number of blocks when left out.

    Returns:
        None with fewer than 20 blocks, for a metric without a derivative, or where it cannot be computed.

    Raises:
        NotFound: the task does not offer the metric.
        DataInvalid: y and the scores do not fit together.
    """
    known = metric(name, task)
    outcomes, new = arrays(y, first)
    _, old = arrays(y, second)
    steps, codes = np.unique(blocks, return_inverse=True)
    count = len(steps)
    if count < FEWEST_BLOCKS or known.resampled is not None:
        return None
    ours, theirs = known.measured(outcomes, new), known.measured(outcomes, old)
    if math.isnan(ours.value) or math.isnan(theirs.value):
        return None
    moved = np.bincount(codes, weights=facing(known, ours) - facing(known, theirs), minlength=count)
    ahead = max(1, min(round(count ** (1 / 3)) if horizon is None else horizon, count // 4))
    gain = known.goodness(ours.value) - known.goodness(theirs.value)
    se = math.sqrt(long_run_variance(moved, ahead)) / correction(count, ahead)
    reach = critical(level, count - 1) * se
    difference = Estimate(value=gain, low=gain - reach, high=gain + reach, n=len(outcomes), se=se, level=level)
    statistic = gain / se if se > 0 else math.copysign(math.inf, gain) if gain else 0.0
    return SerialComparison(
        loss=name,
        difference=difference,
        blocks=count,
        horizon=ahead,
        statistic=statistic,
        p_value=2.0 * float(stdtr(count - 1, -abs(statistic))),
        claim=claimed(difference),
    )


def long_run_variance(moved: Array, horizon: int) -> float:
    """Variance of a sum of correlated steps: all products of steps fewer than `horizon` apart.

    That can fall below 0; then neighbours are weighted down evenly (Newey & West 1987), which cannot.
    """
    products = np.array([moved[lag:] @ moved[: len(moved) - lag] for lag in range(horizon)])
    plain = float(products[0] + 2.0 * products[1:].sum())
    if plain > 0:
        return plain
    return float(products[0] + 2.0 * (products[1:] * (1.0 - np.arange(1, horizon) / horizon)).sum())


def correction(count: int, horizon: int) -> float:
    """By what the statistic is made smaller for few steps (Harvey, Leybourne & Newbold 1997, equation 9)."""
    return math.sqrt((count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count)
