"""Metrics as sums over rows: a value, and each row's part in its error.

The variance of a metric is the sum of its squared parts. So two versions on different rows add
their sums, and two versions on the same rows subtract part from part first: pairing for free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from noria.core.schema import Task

Floats = NDArray[np.float64]

SMALLEST_CLASS = 20
"""Rows that the smaller class needs before its ranks are near enough to normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A metric on some rows.

    Attributes:
        value: The metric, signed so that lower is better.
        parts: Each row's part in the estimate's error, shape (rows,); their squares sum to its variance.
        ready: Whether there is enough of everything (both classes, say) for a normal approximation.
    """

    value: float
    parts: Floats
    ready: bool = True


def mean_mark(losses: Floats) -> Mark:
    """The mean of per-row losses, shape (rows,)."""
    n = len(losses)
    if n < 2:
        return Mark(value=float(losses.mean()) if n else np.nan, parts=np.zeros(n), ready=False)
    mean = float(losses.mean())
    return Mark(value=mean, parts=(losses - mean) / np.sqrt(n * (n - 1.0)))


def root_mark(squares: Floats) -> Mark:
    """The root of the mean of per-row squares, by the delta method."""
    inner = mean_mark(squares)
    root = float(np.sqrt(inner.value))
    return Mark(value=root, parts=inner.parts / (2 * root) if root > 0 else inner.parts * 0, ready=inner.ready)


def ratio_mark(top: Floats, bottom: Floats) -> Mark:
    """One minus a ratio of two sums over rows (precision, recall, F1), by the delta method."""
    total = float(bottom.sum())
    if total == 0:
        return Mark(value=np.nan, parts=np.zeros(len(top)), ready=False)
    ratio = float(top.sum()) / total
    return Mark(value=1 - ratio, parts=(ratio * bottom - top) / total, ready=int(np.count_nonzero(bottom)) >= SMALLEST_CLASS)


def auc_mark(positive: NDArray[np.bool_], score: Floats) -> Mark:
    """One minus the area under the ROC curve, with DeLong's variance (DeLong et al. 1988; ranks: Sun & Xu 2014)."""
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        return Mark(value=np.nan, parts=np.zeros(len(score)), ready=False)
    ranks = rankdata(score)
    above = (ranks[positive] - rankdata(score[positive])) / n
    below = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    area = float(above.mean())
    parts = np.empty(len(score))
    parts[positive] = (area - above) / np.sqrt(m * (m - 1.0))
    parts[~positive] = (area - below) / np.sqrt(n * (n - 1.0))
    return Mark(value=1 - area, parts=parts, ready=min(m, n) >= SMALLEST_CLASS)


def precision_mark(positive: NDArray[np.bool_], score: Floats) -> Mark:
    """One minus average precision, with its influence function."""
    m = int(positive.sum())
    if m < 2:
        return Mark(value=np.nan, parts=np.zeros(len(score)), ready=False)
    order = np.argsort(-score, kind="stable")
    hit = positive[order]
    last = np.searchsorted(-score[order], -score[order], side="right")
    precision = np.cumsum(hit)[last - 1] / last
    average = float(precision[hit].mean())
    first = np.searchsorted(-score[order], -score[order], side="left")
    gained = _from(np.where(hit, (1 - precision) / last, 0.0))[first]
    lost = _from(np.where(hit, precision / last, 0.0))[first]
    parts = np.empty(len(score))
    parts[order] = -np.where(hit, precision - average + gained, -lost) / m
    return Mark(value=1 - average, parts=parts, ready=min(m, len(score) - m) >= SMALLEST_CLASS)


def _from(values: Floats) -> Floats:
    return np.cumsum(values[::-1])[::-1]


def _macro(mark: Callable[[NDArray[np.bool_], Floats], Mark]) -> Callable[[Floats, Floats], Mark]:
    def over_classes(y: Floats, score: Floats) -> Mark:
        if score.ndim == 1:
            return mark(y == 1, score)
        marks = [mark(y == k, score[:, k]) for k in range(score.shape[1]) if np.any(y == k)]
        if not marks:
            return Mark(value=np.nan, parts=np.zeros(len(y)), ready=False)
        parts = np.mean([one.parts for one in marks], axis=0)
        return Mark(value=float(np.mean([one.value for one in marks])), parts=parts, ready=all(one.ready for one in marks))

    return over_classes


def _log_loss(y: Floats, score: Floats) -> Mark:
    right = np.where(y == 1, score, 1 - score) if score.ndim == 1 else score[np.arange(len(y)), y.astype(np.intp)]
    return mean_mark(-np.log(np.clip(right, 1e-6, 1.0)))


def _brier(y: Floats, score: Floats) -> Mark:
    if score.ndim == 1:
        return mean_mark((score - y) ** 2)
    return mean_mark(((score - np.eye(score.shape[1])[y.astype(np.intp)]) ** 2).sum(axis=1))


def _chosen(score: Floats) -> Floats:
    return (score >= 0.5).astype(np.float64) if score.ndim == 1 else score.argmax(axis=1).astype(np.float64)


def _accuracy(y: Floats, score: Floats) -> Mark:
    wrong = _chosen(score) != y
    return mean_mark(wrong.astype(np.float64))


def _precision(y: Floats, score: Floats) -> Mark:
    return ratio_mark(y * _chosen(score), _chosen(score))


def _recall(y: Floats, score: Floats) -> Mark:
    return ratio_mark(y * _chosen(score), y)


def _f1(y: Floats, score: Floats) -> Mark:
    return ratio_mark(2 * y * _chosen(score), y + _chosen(score))


def _r2(y: Floats, score: Floats) -> Mark:
    unexplained = ratio_mark((y - score) ** 2, (y - y.mean()) ** 2)
    return Mark(value=1 - unexplained.value, parts=-unexplained.parts, ready=unexplained.ready)


_PROBABILITY: Mapping[str, Callable[[Floats, Floats], Mark]] = {
    "roc_auc": _macro(auc_mark),
    "pr_auc": _macro(precision_mark),
    "average_precision": _macro(precision_mark),
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _accuracy,
}

MARKS: Mapping[Task, Mapping[str, Callable[[Floats, Floats], Mark]]] = {
    Task.BINARY: {**_PROBABILITY, "precision": _precision, "recall": _recall, "f1": _f1},
    Task.MULTICLASS: _PROBABILITY,
    Task.REGRESSION: {
        "mae": lambda y, answer: mean_mark(np.abs(y - answer)),
        "mse": lambda y, answer: mean_mark((y - answer) ** 2),
        "rmse": lambda y, answer: root_mark((y - answer) ** 2),
        "r2": _r2,
    },
}
"""Task to metric name to its mark of (outcomes, answers): what a rollout can guard."""
