"""What a metric's formula returns: a value, and how much each row moved it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

NONE: Array = np.empty(0)
"""No influences: the metric has no derivative, or no value."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """A metric's value on some rows, and its influence values where it is smooth.

    The influence of row i is the derivative of the value by that row's weight, so the variance of
    the value is a sum of squares of it (infinitesimal jackknife; Jaeckel 1972, Efron 1982): over
    rows, over sums within clusters, or over the difference of two models' influences.

    Attributes:
        influence: Shape (rows,); empty for metrics without a derivative, which are resampled.
        samples: Shape (rows,), for metrics of several samples (ROC AUC: negatives and positives):
            which one each row belongs to; None when all rows are one sample.
    """

    value: float
    influence: Array = field(default_factory=lambda: NONE)
    samples: Codes | None = None


Formula = Callable[[Array, Array], Measured]
"""(y, score) to its measure; y is 0/1, class codes or values, score is (rows,) or (rows, classes)."""

Replicate = Callable[[Array], Array]
"""Weights of the units, shape (resamples, units), to gaps whose sizes add up to the metric, shape (resamples, gaps)."""

Resampled = Callable[[Array, Array, Codes, int], Replicate]
"""(y, score, unit of each row, number of units) to the gaps of any weighting of the units."""


def mean_of(per_row: Array) -> Measured:
    """Measure the mean of one number per row."""
    value = per_row.mean()
    return Measured(value=float(value), influence=(per_row - value) / len(per_row))


def ratio_of(top: Array, bottom: Array) -> Measured:
    """Measure sum(top) / sum(bottom), both one number per row; NaN when the bottom adds up to 0."""
    below = bottom.sum()
    value = top.sum() / below if below else np.nan
    return Measured(value=float(value), influence=(top - value * bottom) / below)
