"""Metrics of class probabilities; y holds class codes, shape (rows,), score probabilities, shape (rows, classes)."""

from __future__ import annotations

import numpy as np

from noria.stages.evaluation.measured import SMALLEST, UNDEFINED, Array, Formula, Measured, mean_of, mean_of_means, ratio_of
from noria.stages.evaluation.ranking import average_precision
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
    return _against_the_rest(two_class_roc_auc, y, score)


def pr_auc(y: Array, score: Array) -> Measured:
    """Measure the average precision of each class against the rest, averaged over classes that occur; NaN with one class."""
    return _against_the_rest(average_precision, y, score)


def balanced_accuracy(y: Array, score: Array) -> Measured:
    """Measure the share of right answers within each class that occurs, averaged with equal weights."""
    right = (score.argmax(axis=1) == y).astype(np.float64)
    members = [(y == code).astype(np.float64) for code in np.unique(y)]
    return mean_of_means([ratio_of(right * member, member) for member in members], len(y))


def kappa(y: Array, answer: Array) -> Measured:
    """Measure Cohen's (1960) kappa of answer and outcome, both class codes; NaN where one class fills both."""
    agree = (answer == y).astype(np.float64)
    classes = int(max(y.max(), answer.max())) + 1
    told, said = (np.bincount(codes.astype(np.intp), minlength=classes) / len(y) for codes in (y, answer))
    observed, expected = agree.mean(), float(told @ said)
    if expected >= 1.0:
        return UNDEFINED
    moved = said[y.astype(np.intp)] + told[answer.astype(np.intp)] - 2.0 * expected
    influence = ((agree - observed) * (1.0 - expected) - (1.0 - observed) * moved) / (1.0 - expected) ** 2
    return Measured(value=float((observed - expected) / (1.0 - expected)), influence=influence / len(y))


def top(k: int) -> Formula:
    """The formula of the share of rows whose class is among the k likeliest; of equal chances, the lower class comes first. NaN when there are no more."""

    def formula(y: Array, score: Array) -> Measured:
        if k >= score.shape[1]:
            return UNDEFINED
        own = score[np.arange(len(y)), y.astype(np.intp)][:, None]
        earlier = np.arange(score.shape[1]) < y[:, None]
        ahead = (score > own).sum(axis=1) + ((score == own) & earlier).sum(axis=1)
        return mean_of((ahead < k).astype(np.float64))

    return formula


def _against_the_rest(formula: Formula, y: Array, score: Array) -> Measured:
    present = np.unique(y.astype(np.intp))
    if len(present) < 2:
        return UNDEFINED
    return mean_of_means([formula((y == code).astype(np.float64), score[:, code]) for code in present], len(y))
