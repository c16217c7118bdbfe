"""Two models compared over time, where neighbouring days resemble each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from noria.core.examination.comparing import SerialComparison, claimed
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.blocks import by_cosines
from noria.stages.evaluation.given import PLAIN, Given
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
    given: Given = PLAIN,
    second_given: Given | None = None,
    level: float = 0.95,
) -> SerialComparison | None:
    """Compare by the test of Diebold & Mariano (1995), for any smooth metric.

    Each row's influence on the difference is summed within its block, so that the variance of the
    difference is the long-run variance of a series. For a mean loss over blocks of equal size, with
    a stated horizon, that is the statistic as Harvey, Leybourne & Newbold (1997) correct it. It is
    too sure of itself when differences are correlated for longer than was stated (12 % false alarms
    instead of 5 % at an autocorrelation of 0.3), so without a stated horizon the variance comes from
    a few slow cosines, which needs none (Lazarus, Lewis, Stock & Watson 2018).

    Args:
        blocks: Shape (rows,): the step of time of each row, ascending numbers (days, say).
        given, second_given: As in `compare`.
        horizon: Steps over which differences may be correlated: 1 = not at all.

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
    ours, theirs = known.measured(outcomes, new, given), known.measured(outcomes, old, second_given or given)
    if math.isnan(ours.value) or math.isnan(theirs.value):
        return None
    moved: Array = np.bincount(codes, weights=facing(known, ours) - facing(known, theirs), minlength=count).astype(np.float64)
    se, freedom = by_cosines(moved) if horizon is None else by_horizon(moved, horizon)
    gain = known.goodness(ours.value) - known.goodness(theirs.value)
    reach = critical(level, freedom) * se
    difference = Estimate(value=gain, low=gain - reach, high=gain + reach, n=len(outcomes), se=se, level=level)
    statistic = gain / se if se > 0 else math.copysign(math.inf, gain) if gain else 0.0
    return SerialComparison(
        metric=name,
        difference=difference,
        blocks=count,
        method="cosines" if horizon is None else "harvey-leybourne-newbold",
        horizon=horizon or 0,
        freedom=freedom,
        statistic=statistic,
        p_value=2.0 * float(stdtr(freedom, -abs(statistic))),
        claim=claimed(difference),
    )


def by_horizon(moved: Array, horizon: int) -> tuple[float, int]:
    """The standard error with all products of steps fewer than `horizon` apart, corrected for few steps.

    Harvey, Leybourne & Newbold (1997), equation 9. The sum of products can fall below 0; then
    neighbours are weighted down evenly (Newey & West 1987), which cannot.
    """
    count = len(moved)
    ahead = max(1, min(horizon, count // 4))
    products = np.array([moved[lag:] @ moved[: count - lag] for lag in range(ahead)])
    variance = float(products[0] + 2.0 * products[1:].sum())
    if variance <= 0:
        variance = float(products[0] + 2.0 * (products[1:] * (1.0 - np.arange(1, ahead) / ahead)).sum())
    few = (count + 1 - 2 * ahead + ahead * (ahead - 1) / count) / count
    return math.sqrt(variance / few), count - 1
