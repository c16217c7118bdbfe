"""Metrics of class probabilities; y holds class codes, shape (rows,), score probabilities, shape (rows, classes)."""

from __future__ import annotations

import numpy as np

from noria.stages.evaluation.binary import SMALLEST
from noria.stages.evaluation.measured import Array, Measured, mean_of
from noria.stages.evaluation.ranking import UNDEFINED
from noria.stages.evaluation.ranking import roc_auc as two_class_roc_auc


def accuracy(y: Array, score: Array) -> Measured:
    """Measure the share of rows whose likeliest class was the right one."""
    return mean_of((score.argmax(axis=1) == y).astype(np.float64))


def log_loss(y: Array, score: Array) -> Measured:
    """Measure the mean negative log-likelihood of the right class, in nats."""
    likely = score[np.arange(len(y)), y.astype(np.intp)]
    return mean_of(-np.log(np.clip(likely, SMALLEST, 1.0)))


def macro_f1(y: Array, score: Array) -> Measured:
    """Measure F1 of each class that occurs or was answered, averaged with equal weights."""
    classes = score.shape[1]
    right, answered = y.astype(np.intp), score.argmax(axis=1)
    both = np.bincount(right, minlength=classes) + np.bincount(answered, minlength=classes)
    hits = np.bincount(right[right == answered], minlength=classes)
    present = both > 0
    f1 = np.divide(2.0 * hits, both, out=np.zeros(classes), where=present)
    share = np.divide(1.0, both, out=np.zeros(classes), where=present) / present.sum()
    gained = 2.0 * (right == answered) * share[right]
    influence = gained - f1[right] * share[right] - f1[answered] * share[answered]
    return Measured(value=float(f1[present].mean()), influence=influence)


def roc_auc(y: Array, score: Array) -> Measured:
    """Measure the area under the ROC curve of each class against the rest, averaged over classes that occur; NaN with one class."""
    present = np.unique(y.astype(np.intp))
    if len(present) < 2:
        return UNDEFINED
    value, influence = 0.0, np.zeros(len(y))
    for code in present:
        one = two_class_roc_auc((y == code).astype(np.float64), score[:, code])
        value += one.value / len(present)
        influence += one.influence / len(present)
    return Measured(value=value, influence=influence)
