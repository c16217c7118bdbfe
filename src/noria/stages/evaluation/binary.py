"""Metrics of a probability against a yes or no; y is 0/1, score is P(1), both of shape (rows,)."""

from __future__ import annotations

import numpy as np

from noria.core.costs import Costs
from noria.core.schema import THRESHOLD
from noria.stages.evaluation import multiclass
from noria.stages.evaluation.measured import SMALLEST, UNDEFINED, Array, Codes, Measured, Replicate, mean_of, mean_of_means, ratio_of

CALIBRATION_BINS = 15
"""Equal-width bins of the expected calibration error, as in Guo et al. (2017)."""


def log_loss(y: Array, score: Array) -> Measured:
    """Measure the mean negative log-likelihood, in nats."""
    likely = np.clip(np.where(y > 0.5, score, 1.0 - score), SMALLEST, 1.0)
    return mean_of(-np.log(likely))


def brier(y: Array, score: Array) -> Measured:
    """Measure the mean squared distance of the probability to the outcome."""
    return mean_of((score - y) ** 2)


def accuracy(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the share of right answers."""
    return mean_of((_said_yes(score, threshold) == y).astype(np.float64))


def precision(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the share of yes answers that were right; NaN when there was none."""
    said = _said_yes(score, threshold)
    return ratio_of(said * y, said)


def recall(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the share of positives that were found; NaN when there was none."""
    return ratio_of(_said_yes(score, threshold) * y, y)


def specificity(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the share of negatives that were left alone; NaN when there was none."""
    return ratio_of((1.0 - _said_yes(score, threshold)) * (1.0 - y), 1.0 - y)


def balanced_accuracy(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the mean of recall and specificity; NaN with one class only."""
    if y.min() == y.max():
        return UNDEFINED
    return mean_of_means([recall(y, score, threshold), specificity(y, score, threshold)], len(y))


def kappa(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure Cohen's (1960) kappa of answer and outcome; NaN where one class fills both."""
    return multiclass.kappa(y, _said_yes(score, threshold))


def expected_cost(y: Array, score: Array, costs: Costs, threshold: float = THRESHOLD) -> Measured:
    """Measure what the answers cost per row, in the unit of the costs."""
    return mean_of(cost_of(y, _said_yes(score, threshold), costs))


def cost_of(y: Array, said: Array, costs: Costs) -> Array:
    """What each answer cost, shape (rows,); `said` is 1 where it was yes."""
    yes = np.where(y > 0.5, costs.true_positive, costs.false_positive)
    no = np.where(y > 0.5, costs.false_negative, costs.true_negative)
    return np.where(said > 0.5, yes, no)


def f1(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the harmonic mean of precision and recall; NaN with neither positives nor yes answers."""
    said = _said_yes(score, threshold)
    return ratio_of(2.0 * said * y, said + y)


def mcc(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure Matthews' correlation of answer and outcome; NaN with one class, 0 for a constant answer."""
    said = _said_yes(score, threshold)
    if y.min() == y.max():
        return Measured(value=float("nan"))
    if said.min() == said.max():
        return Measured(value=0.0, influence=np.full(len(y), np.nan))
    a, b = (said - said.mean()) / said.std(), (y - y.mean()) / y.std()
    value = np.clip((a * b).mean(), -1.0, 1.0)
    return Measured(value=float(value), influence=(a * b - 0.5 * value * (a**2 + b**2)) / len(y))


def ece(y: Array, score: Array) -> Measured:
    """Measure the expected calibration error: |mean probability − share of positives|, averaged over bins by rows."""
    gaps = np.bincount(_bins(score), weights=score - y, minlength=CALIBRATION_BINS)
    return Measured(value=float(np.abs(gaps).sum() / len(y)))


def resampled_ece(y: Array, score: Array, units: Codes, count: int) -> Replicate:
    """Prepare the gaps of the calibration error, one for each bin, for any weighting of the units."""
    cells = np.bincount(units * CALIBRATION_BINS + _bins(score), weights=score - y, minlength=count * CALIBRATION_BINS)
    gaps = cells.reshape(count, CALIBRATION_BINS)
    rows = np.bincount(units, minlength=count).astype(np.float64)

    def replicate(weights: Array) -> Array:
        return (weights @ gaps) / (weights @ rows)[:, None]

    return replicate


def _said_yes(score: Array, threshold: float) -> Array:
    return (score >= threshold).astype(np.float64)


def _bins(score: Array) -> Codes:
    return np.clip((score * CALIBRATION_BINS).astype(np.intp), 0, CALIBRATION_BINS - 1)
