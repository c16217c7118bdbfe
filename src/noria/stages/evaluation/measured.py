"""What a metric's formula returns: a value, and how much each row moved it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 before a logarithm."""

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


UNDEFINED = Measured(value=float("nan"))
"""What cannot be computed on the rows at hand."""

Formula = Callable[[Array, Array], Measured]
"""(y, score) to its measure; y is 0/1, class codes or values, score is (rows,) or (rows, classes)."""

Replicate = Callable[[Array], Array]
"""Weights of the units, shape (resamples, units), to gaps whose sizes add up to the metric, shape (resamples, gaps)."""

Resampled = Callable[[Array, Array, Codes, int], Replicate]
"""(y, score, unit of each row, number of units) to the gaps of any weighting of the units."""


def mean_of_means(parts: Sequence[Measured], rows: int) -> Measured:
    """Measure the plain mean of several measures of the same rows, leaving out those without a value."""
    told = [part for part in parts if not math.isnan(part.value)]
    if not told:
        return UNDEFINED
    influence = sum((part.influence for part in told), np.zeros(rows)) / len(told)
    return Measured(value=sum(part.value for part in told) / len(told), influence=influence)


def quantile_of(per_row: Array, level: float) -> Measured:
    """Measure a quantile of one number per row.

    Its influence is (level − [number ≤ quantile]) / density, with the density from a quantile
    spacing of Hall & Sheather's (1988) width.
    """
    value = np.quantile(per_row, level)
    half = min(0.25, level / 2, (1 - level) / 2, 0.4 * len(per_row) ** (-1.0 / 3.0))
    low, high = np.quantile(per_row, (level - half, level + half))
    moved = level - (per_row <= value)
    return Measured(value=float(value), influence=(moved - moved.mean()) * (high - low) / (2.0 * half * len(per_row)))


def scaled(measured: Measured, factor: float, shift: float = 0.0) -> Measured:
    """The measure of `factor` × metric + `shift`."""
    return Measured(value=factor * measured.value + shift, influence=factor * measured.influence, samples=measured.samples)


def mean_of(per_row: Array) -> Measured:
    """Measure the mean of one number per row."""
    value = per_row.mean()
    return Measured(value=float(value), influence=(per_row - value) / len(per_row))


def ratio_of(top: Array, bottom: Array) -> Measured:
    """Measure sum(top) / sum(bottom), both one number per row; NaN when the bottom adds up to 0."""
    below = bottom.sum()
    value = top.sum() / below if below else np.nan
    return Measured(value=float(value), influence=(top - value * bottom) / below)
