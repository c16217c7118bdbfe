"""Metrics of order: how well a score ranks positives above negatives."""

from __future__ import annotations

import numpy as np

from noria.stages.evaluation.measured import Array, Measured

UNDEFINED = Measured(value=float("nan"))


def roc_auc(y: Array, score: Array) -> Measured:
    """Measure the area under the ROC curve, ties counted half; NaN with one class only.

    Influences are the structural components of DeLong, DeLong & Clarke-Pearson (1988), by counting
    along one sort instead of comparing all pairs (the idea of Sun & Xu 2014): O(n log n).
    """
    positive = y > 0.5
    ones = int(positive.sum())
    zeros = len(y) - ones
    if not ones or not zeros:
        return UNDEFINED
    levels, level = np.unique(score, return_inverse=True)
    ones_at = np.bincount(level, weights=positive, minlength=len(levels))
    zeros_at = np.bincount(level, minlength=len(levels)) - ones_at
    beaten = (np.cumsum(zeros_at) - 0.5 * zeros_at) / zeros
    outranked = 1.0 - (np.cumsum(ones_at) - 0.5 * ones_at) / ones
    component = np.where(positive, beaten[level], outranked[level])
    value = component[positive].mean()
    influence = (component - value) / np.where(positive, ones, zeros)
    return Measured(value=float(value), influence=influence, samples=positive.astype(np.intp))


def average_precision(y: Array, score: Array) -> Measured:
    """Measure the area under the precision-recall curve as average precision; NaN without positives.

    AP = sum over positives of precision at their score / positives; its derivative by a row's weight
    has a direct part (the row as a positive) and one through the precision at every lower score.
    """
    positive = (y > 0.5).astype(np.float64)
    ones = positive.sum()
    if not ones:
        return UNDEFINED
    levels, level = np.unique(score, return_inverse=True)
    ones_at = np.bincount(level, weights=positive, minlength=len(levels))
    ones_above = np.cumsum(ones_at[::-1])[::-1]
    rows_above = np.cumsum(np.bincount(level, minlength=len(levels))[::-1])[::-1]
    precision = ones_above / rows_above
    value = (ones_at * precision).sum() / ones
    gained = np.cumsum(ones_at / rows_above)
    diluted = np.cumsum(ones_at * precision / rows_above)
    influence = (positive * (precision[level] - value + gained[level]) - diluted[level]) / ones
    return Measured(value=float(value), influence=influence)
