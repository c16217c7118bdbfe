"""Metrics of several yes-or-no answers per row; y is 0/1 and score P(1), both of shape (rows, labels)."""

from __future__ import annotations

import numpy as np

from noria.core.schema import THRESHOLD
from noria.stages.evaluation import ranking
from noria.stages.evaluation.measured import SMALLEST, Array, Formula, Measured, mean_of, mean_of_means, ratio_of


def micro_f1(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure F1 over all answers of all rows together."""
    said = _said(score, threshold)
    return ratio_of(2.0 * (said * y).sum(axis=1), (said + y).sum(axis=1))


def macro_f1(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure F1 of each label that occurs or was answered, averaged with equal weights."""
    said = _said(score, threshold)
    return mean_of_means([ratio_of(2.0 * said[:, at] * y[:, at], said[:, at] + y[:, at]) for at in range(y.shape[1])], len(y))


def subset_accuracy(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the share of rows with every label right."""
    return mean_of((_said(score, threshold) == y).all(axis=1).astype(np.float64))


def hamming_loss(y: Array, score: Array, threshold: float = THRESHOLD) -> Measured:
    """Measure the share of answers that were wrong."""
    return mean_of((_said(score, threshold) != y).mean(axis=1))


def ranking_precision(y: Array, score: Array) -> Measured:
    """Measure label-ranking average precision (Schapire & Singer 2000); rows with no label, or with all, count as 1."""
    true, row_count = y > 0.5, len(y)
    precisions = np.ones(row_count)
    for row in np.flatnonzero(true.any(axis=1) & ~true.all(axis=1)):
        own = score[row, true[row]]
        ahead = (score[row] >= own[:, None]).sum(axis=1)
        precisions[row] = ((own >= own[:, None]).sum(axis=1) / ahead).mean()
    return mean_of(precisions)


def log_loss(y: Array, score: Array) -> Measured:
    """Measure the mean negative log-likelihood of each answer, in nats."""
    likely = np.clip(np.where(y > 0.5, score, 1.0 - score), SMALLEST, 1.0)
    return mean_of(-np.log(likely).mean(axis=1))


def macro(formula: Formula) -> Formula:
    """The mean over labels of a metric of one label, leaving out labels where it cannot be told."""

    def averaged(y: Array, score: Array) -> Measured:
        return mean_of_means([formula(y[:, at], score[:, at]) for at in range(y.shape[1])], len(y))

    return averaged


roc_auc = macro(ranking.roc_auc)
pr_auc = macro(ranking.average_precision)


def _said(score: Array, threshold: float) -> Array:
    return (score >= threshold).astype(np.float64)
