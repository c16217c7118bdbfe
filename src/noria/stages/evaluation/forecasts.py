"""Metrics of forecasts of many series; y and score are of shape (rows,), one row per series and moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Measured, mean_of, ratio_of, scaled


def mase(y: Array, score: Array, given: Given) -> Measured:
    """Measure the mean absolute error over that of a plain forecast in each series' past (Hyndman & Koehler 2006)."""
    return _over_scale(np.abs(score - y), given)


def rmsse(y: Array, score: Array, given: Given) -> Measured:
    """Measure the root of the mean squared error over the squared error of a plain forecast in each series' past (as in M5).

    The scale is the mean absolute error of that forecast, not the root of its mean square, so one scale serves both metrics.
    """
    squared = _over_scale((score - y) ** 2, given, power=2)
    if not squared.value > 0:
        return squared
    root = float(np.sqrt(squared.value))
    return Measured(value=root, influence=squared.influence / (2.0 * root))


def smape(y: Array, score: Array) -> Measured:
    """Measure the symmetric mean absolute percentage error, 0 to 2 (Makridakis 1993); both being 0 counts as no error."""
    size = np.abs(y) + np.abs(score)
    return mean_of(np.divide(2.0 * np.abs(score - y), size, out=np.zeros(len(y)), where=size > 0))


def wape(y: Array, score: Array) -> Measured:
    """Measure the sum of absolute errors over the sum of absolute outcomes; NaN when all outcomes are 0."""
    return ratio_of(np.abs(score - y), np.abs(y))


def skill(y: Array, score: Array, given: Given) -> Measured:
    """Measure by which share of the plain forecast's absolute error this one is better; below 0 it is worse."""
    assert given.baseline is not None
    known = np.isfinite(given.baseline).astype(np.float64)
    plain = np.where(known > 0, np.abs(np.nan_to_num(given.baseline) - y), 0.0)
    return scaled(ratio_of(known * np.abs(score - y), plain), -1.0, 1.0)


def seasonal_scale(values: ArrayLike, season: int) -> float:
    """Mean absolute change over one season of a series in order of time; NaN where it is too short or never changes."""
    numbers = np.asarray(values, dtype=np.float64)
    changes = np.abs(numbers[season:] - numbers[:-season])
    changes = changes[np.isfinite(changes)]
    return float(changes.mean()) if len(changes) and changes.mean() > 0 else float("nan")


def _over_scale(errors: Array, given: Given, power: int = 1) -> Measured:
    """Mean of scaled errors over the rows whose series has a scale."""
    assert given.scale is not None
    known = np.isfinite(given.scale) & (given.scale > 0)
    if not known.any():
        return UNDEFINED
    return ratio_of(np.where(known, errors / np.where(known, given.scale, 1.0) ** power, 0.0), known.astype(np.float64))
