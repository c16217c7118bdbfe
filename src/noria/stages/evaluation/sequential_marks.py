"""Metrics as sums over rows, ready to be compared: each row's part in a metric's error.

The variance of a metric is the sum of its squared parts. So two versions on different rows add
their sums, and two versions on the same rows subtract part from part first: pairing for free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noria.core.errors import NotFound
from noria.core.schema import Task
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import Array, Measured, mean_of
from noria.stages.evaluation.metrics import Metric, metric
from noria.stages.evaluation.ranking import roc_auc

SMALLEST_CLASS = 20
"""Rows of the rarer outcome that a normal approximation needs; with several classes a quarter of it."""

_OF_CLASSES = frozenset(
    {"roc_auc", "pr_auc", "precision", "recall", "specificity", "f1", "macro_f1", "mcc", "kappa", "balanced_accuracy", "ks", "gini"}
)
_OF_CHOICES = frozenset({"precision", "f1", "mcc", "kappa"})

BY_VERSION = frozenset({"outcomes", "costs"})
"""What a metric may need and still be compared in a rollout: it is known of either version, not of each row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """A metric on some rows.

    Attributes:
        value: The metric, signed so that lower is better.
        parts: Each row's part in the estimate's error, shape (rows,); their squares sum to its variance.
        ready: Whether there is enough of everything (both classes, say) for a normal approximation.
    """

    value: float
    parts: Array
    ready: bool = True


def mean_mark(losses: Array) -> Mark:
    """The mean of per-row losses, shape (rows,)."""
    if len(losses) < 2:
        return _unknown(len(losses))
    return signed(mean_of(losses), len(losses), sign=1.0)


def auc_mark(y: Array, score: Array) -> Mark:
    """The area under the ROC curve, negated, with DeLong's variance (DeLong et al. 1988)."""
    return signed(roc_auc(y, score), len(y), sign=-1.0, ready=_rarest(y) >= SMALLEST_CLASS)


def metric_mark(known: Metric, y: Array, score: Array, given: Given = PLAIN) -> Mark:
    """Any metric with an influence function."""
    sign = -1.0 if known.higher_is_better else 1.0
    return signed(known.measured(y, score, given), len(y), sign=sign, ready=_enough_of_each(known.name, y, score, given.threshold))


def guarded(name: str, task: Task) -> Metric:
    """The metric of that name, if it can be compared sequentially.

    Raises:
        NotFound: the task does not offer it.
        ValueError: it is not smooth, has no better side, or is one of groups of rows.
    """
    known = metric(name, task)
    if not known.smooth or known.signed or known.grouped or known.needs - BY_VERSION:
        raise ValueError(f"{name!r} has no sequential test, so a rollout cannot guard it; guard a smooth metric, such as roc_auc or mae")
    return known


def can_be_guarded(name: str, task: Task) -> bool:
    """Whether the task offers the metric and it can be compared sequentially."""
    try:
        guarded(name, task)
    except (NotFound, ValueError):
        return False
    return True


def signed(measured: Measured, rows: int, *, sign: float, ready: bool = True) -> Mark:
    """With the n / (n − 1) of each sample, so that these are the textbook (and DeLong's) variances."""
    if len(measured.influence) != rows or not np.isfinite(measured.value):
        return _unknown(rows)
    samples = np.zeros(rows, dtype=np.intp) if measured.samples is None else measured.samples
    sizes = np.bincount(samples)
    unbiased = np.sqrt(sizes / np.maximum(sizes - 1, 1))
    return Mark(value=sign * measured.value, parts=sign * measured.influence * unbiased[samples], ready=ready)


def _unknown(rows: int) -> Mark:
    return Mark(value=float("nan"), parts=np.zeros(rows), ready=False)


def _enough_of_each(name: str, y: Array, score: Array, threshold: float) -> bool:
    if name not in _OF_CLASSES:
        return True
    if score.ndim == 2:
        return _rarest(y) >= SMALLEST_CLASS / 4
    chosen = (score >= threshold).astype(np.float64)
    return _rarest(y) >= SMALLEST_CLASS and (name not in _OF_CHOICES or _rarest(chosen) >= SMALLEST_CLASS)


def _rarest(y: NDArray[np.float64]) -> int:
    """Rows of the rarest class; 0 when there is one class only."""
    counts = np.unique(y, return_counts=True)[1]
    return int(counts.min()) if len(counts) > 1 else 0
