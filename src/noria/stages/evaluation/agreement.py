"""How far two models agree on the same rows: it needs no outcomes, so it is known at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.schema import Estimate
from noria.stages.evaluation.intervals import interval, spread_of
from noria.stages.evaluation.measured import Array, Measured, mean_of

BOUNDS = (-1.0, 1.0)


def agreement(one: ArrayLike, other: ArrayLike) -> Measured:
    """Measure Spearman's rank correlation of two scores; for many classes the share of rows with the same likeliest one.

    The correlation is 1 when both put the rows in the same order, −1 when one turns it round. Its
    influences hold that the ranks are estimated too (it is a U-statistic: Hoeffding 1948).

    Args:
        one, other: Finite scores of the same rows, shape (rows,) or (rows, classes).

    Returns:
        NaN with fewer than three rows, or where one of them answers the same to all.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if len(first) < 3:
        return Measured(value=float("nan"))
    if first.ndim == 2:
        return mean_of((first.argmax(axis=1) == second.argmax(axis=1)).astype(np.float64))
    (u, above_u), (v, above_v) = _ranked(first), _ranked(second)
    scale = float(u.std() * v.std())
    if scale == 0:
        return Measured(value=float("nan"))
    covariance = float((u * v).mean())
    moved = u * v + above_u(v) + above_v(u) - 3.0 * covariance
    return Measured(value=covariance / scale, influence=moved / (scale * len(u)))


def agreed(one: ArrayLike, other: ArrayLike, *, clusters: NDArray | None = None, level: float = 0.95) -> Estimate:
    """Estimate the agreement with its interval; rows of one cluster are not taken as independent."""
    measured = agreement(one, other)
    rows = len(np.asarray(one))
    if not np.isfinite(measured.value):
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=rows, level=level)
    spread = spread_of(measured.influence, None, clusters)
    low, high = interval(measured.value, spread, level=level, bounds=BOUNDS)
    return Estimate(value=measured.value, low=low, high=high, n=rows, se=spread.se, level=level)


def _ranked(score: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Centred mid-ranks, and the mean over all rows of a weight counted where the row is not above."""
    levels, level = np.unique(score, return_inverse=True)
    rows = np.bincount(level)
    ranks = (np.cumsum(rows) - 0.5 * rows) / len(score)

    def above(weight: Array) -> Array:
        at = np.bincount(level, weights=weight, minlength=len(levels))
        return ((np.cumsum(at[::-1])[::-1] - 0.5 * at) / len(score))[level]

    return ranks[level] - 0.5, above
