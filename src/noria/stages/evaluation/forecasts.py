"""Metrics of forecasts of many series; y and score are of shape (rows,), one row per series and moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Measured, mean_of, ratio_of, scaled


def mase(y: Array, score: Array, given: Given) -> Measured:
    """Measure the mean absolute error over that of a plain forecast in each series' past (Hyndman & Koehler 2006)."""
    return _over_scale(np.abs(score - y), given.scale)


def rmsse(y: Array, score: Array, given: Given) -> Measured:
    """Measure the root of the mean squared error, over the root mean squared error of a plain forecast in each series' past.

    Hyndman & Koehler (2006), as in the M5 competition, but pooled over the rows of all series before the root is taken.
    """
    squared = _over_scale((score - y) ** 2, given.rms_scale, power=2)
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


def seasonal_scale(values: ArrayLike, season: int) -> tuple[float, float]:
    """Mean absolute and root mean squared change over one season of a series in order of time; NaN where it is too short or never changes."""
    numbers = np.asarray(values, dtype=np.float64)
    changes = np.abs(numbers[season:] - numbers[:-season])
    changes = changes[np.isfinite(changes)]
    if not len(changes) or not changes.mean() > 0:
        return float("nan"), float("nan")
    return float(changes.mean()), float(np.sqrt((changes**2).mean()))


def _over_scale(errors: Array, scale: Array | None, power: int = 1) -> Measured:
    """Mean of scaled errors over the rows whose series has a scale."""
    assert scale is not None
    known = np.isfinite(scale) & (scale > 0)
    if not known.any():
        return UNDEFINED
    return ratio_of(np.where(known, errors / np.where(known, scale, 1.0) ** power, 0.0), known.astype(np.float64))


def seasonal(
    y: Array, series: NDArray, times: NDArray, horizon: NDArray | None, *, season: int, history: Mapping[Any, ArrayLike]
) -> tuple[Array, Array, Array]:
    """A plain forecast for each row, the value one season ago (or more, where that was not known yet), and its scale.

    Args:
        y: Outcomes; a series may have several rows for one moment, forecast at different horizons.
        times: What orders each series' moments, which follow each other evenly.
        horizon: Steps ahead, from 1; None = 1.
        season: Steps after which the series resembles itself.
        history: Series to its values before the first row, oldest first; the scale is of these, or of
            the outcomes themselves where there are none.

    Returns:
        Baseline (NaN where nothing was known), scale and squared-error scale, each of shape (rows,).
    """
    baseline, scale, rms_scale = (np.full(len(y), np.nan) for _ in range(3))
    ahead = np.ones(len(y)) if horizon is None else np.asarray(horizon, dtype=np.float64)
    for name in np.unique(series):
        rows = np.flatnonzero(series == name)
        _, first, step = np.unique(times[rows], return_index=True, return_inverse=True)
        before = np.asarray(history.get(name.item() if hasattr(name, "item") else name, ()), dtype=np.float64)
        values = np.concatenate([before, y[rows][first]])
        back = len(before) + step - season * np.ceil(ahead[rows] / season).astype(np.intp)
        known = back >= 0
        baseline[rows[known]] = values[back[known]]
        scale[rows], rms_scale[rows] = seasonal_scale(before if len(before) > season else values, season)
    return baseline, scale, rms_scale
