"""Metrics of order: how well a score ranks positives above negatives."""

from __future__ import annotations

import numpy as np

from noria.stages.evaluation.measured import UNDEFINED, Array, Formula, Measured, scaled


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


def gini(y: Array, score: Array) -> Measured:
    """Measure the Gini coefficient of the ranking: 2 × ROC AUC − 1."""
    return scaled(roc_auc(y, score), 2.0, -1.0)


def ks(y: Array, score: Array) -> Measured:
    """Measure the Kolmogorov–Smirnov distance of the scores of positives and negatives; NaN with one class only.

    Its influence is that of true less false positive rate at the score where they differ most: to
    first order, where that is does not matter (the envelope theorem).
    """
    positive = y > 0.5
    ones = int(positive.sum())
    zeros = len(y) - ones
    if not ones or not zeros:
        return UNDEFINED
    levels, level = np.unique(score, return_inverse=True)
    ones_at = np.bincount(level, weights=positive, minlength=len(levels))
    zeros_at = np.bincount(level, minlength=len(levels)) - ones_at
    gaps = (np.cumsum(zeros_at) / zeros) - (np.cumsum(ones_at) / ones)
    best = int(np.argmax(np.abs(gaps)))
    sign = 1.0 if gaps[best] >= 0 else -1.0
    below = (level <= best).astype(np.float64)
    share = np.where(positive, below[positive].mean(), below[~positive].mean())
    influence = sign * np.where(positive, -1.0, 1.0) * (below - share) / np.where(positive, ones, zeros)
    return Measured(value=float(abs(gaps[best])), influence=influence, samples=positive.astype(np.intp))


def lift(percent: int) -> Formula:
    """The formula of how many times more positives the top so many percent hold than as many rows at random; ties count in part."""

    def formula(y: Array, score: Array) -> Measured:
        return _lift(y, score, percent / 100)

    return formula


def captured(y: Array, score: Array, share: float) -> Measured:
    """Measure the share of all rows that are positives within the top `share`; ties at the border count in part.

    Its influence has two parts: the row itself, and that the border moves, at which positives are
    as frequent as among the rows nearest to it.
    """
    positive, rows = (y > 0.5).astype(np.float64), len(y)
    border = np.quantile(score, 1.0 - share, method="inverted_cdf")
    above, at = score > border, score == border
    part = (share * rows - above.sum()) / at.sum()
    taken = above + np.clip(part, 0.0, 1.0) * at
    value = float((positive * taken).mean())
    near = np.argsort(np.abs(score - border), kind="stable")[: max(25, round(rows**0.6))]
    frequent = positive[near].mean()
    influence = (positive * taken - value) - frequent * (taken - taken.mean())
    return Measured(value=value, influence=influence / rows)


def _lift(y: Array, score: Array, share: float) -> Measured:
    positive = (y > 0.5).astype(np.float64)
    base = positive.mean()
    if not base:
        return UNDEFINED
    top = captured(y, score, share)
    value = top.value / share / base
    influence = top.influence / share / base - value * (positive - base) / base / len(y)
    return Measured(value=value, influence=influence)
