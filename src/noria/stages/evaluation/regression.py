"""Metrics of a predicted number; y and score are of shape (rows,), in the units of the label."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from noria.stages.evaluation.measured import SMALLEST, UNDEFINED, Array, Formula, Measured, mean_of, quantile_of, ratio_of, scaled


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
    """Measure the median absolute error."""
    return quantile_of(np.abs(score - y), 0.5)


def high_ae(percent: int) -> Formula:
    """The formula of the absolute error that so many percent of the rows stay below."""
    return lambda y, score: quantile_of(np.abs(score - y), percent / 100)


def explained_variance(y: Array, score: Array) -> Measured:
    """Measure the share of the label's variance that is explained, a constant error forgiven; NaN when the label does not vary."""
    error = score - y
    explained = ratio_of((error - error.mean()) ** 2, (y - y.mean()) ** 2)
    return scaled(explained, -1.0, 1.0)


def poisson_deviance(y: Array, score: Array) -> Measured:
    """Measure the mean Poisson deviance; NaN unless outcomes are at least 0 and predictions above 0."""
    if y.min() < 0 or score.min() < SMALLEST:
        return UNDEFINED
    return mean_of(2.0 * (xlogy(y, y) - xlogy(y, score) - y + score))


def tweedie_deviance(y: Array, score: Array, power: float = 1.5) -> Measured:
    """Measure the mean Tweedie deviance of a power between 1 and 2 (zeros and a long tail: claims, rain); NaN as for Poisson."""
    if y.min() < 0 or score.min() < SMALLEST:
        return UNDEFINED
    ones, twos = 1.0 - power, 2.0 - power
    return mean_of(2.0 * (y**twos / (ones * twos) - y * score**ones / ones + score**twos / twos))
