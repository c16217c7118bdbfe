"""Metrics of a predicted number; y and score are of shape (rows,), in the units of the label."""

from __future__ import annotations

import numpy as np

from noria.stages.evaluation.measured import Array, Measured, mean_of, ratio_of


def mae(y: Array, score: Array) -> Measured:
    """Measure the mean absolute error."""
    return mean_of(np.abs(score - y))


def bias(y: Array, score: Array) -> Measured:
    """Measure the mean error, prediction − outcome: above 0 the model says too much."""
    return mean_of(score - y)


def rmse(y: Array, score: Array) -> Measured:
    """Measure the root of the mean squared error."""
    squared = (score - y) ** 2
    value = np.sqrt(squared.mean())
    influence = (squared - value**2) / (2.0 * value * len(y)) if value else np.zeros(len(y))
    return Measured(value=float(value), influence=influence)


def r2(y: Array, score: Array) -> Measured:
    """Measure the share of the label's variance that is explained; NaN when the label does not vary."""
    explained = ratio_of((score - y) ** 2, (y - y.mean()) ** 2)
    return Measured(value=1.0 - explained.value, influence=-explained.influence)


def mape(y: Array, score: Array) -> Measured:
    """Measure the mean absolute error relative to the outcome, over rows whose outcome is not 0; NaN when there is none."""
    counted = (y != 0).astype(np.float64)
    return ratio_of(np.abs(score - y) / np.where(y == 0, np.inf, np.abs(y)), counted)


def median_ae(y: Array, score: Array) -> Measured:
    """Measure the median absolute error.

    Its influence is that of a quantile, (1/2 − [error ≤ median]) / density, with the density at the
    median from a quantile spacing of Hall & Sheather's (1988) width.
    """
    errors = np.abs(score - y)
    value = np.median(errors)
    half = min(0.25, 0.4 * len(errors) ** (-1.0 / 3.0))
    low, high = np.quantile(errors, (0.5 - half, 0.5 + half))
    moved = 0.5 - (errors <= value)
    return Measured(value=float(value), influence=(moved - moved.mean()) * (high - low) / (2.0 * half * len(errors)))
