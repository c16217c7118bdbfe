"""A small logistic regression that tells two groups of rows apart, and how well it does."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata
from threadpoolctl import ThreadpoolController

RIDGE = 1.0
_STEPS, _SMALL_STEP = 8, 1e-3

Array = NDArray[np.float64]


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Let sums run on one thread: of small matrices, several only get in each other's way (on a busy machine a hundred times slower)."""
    return _threads().limit(limits=1, user_api="blas")


def fit(X: Array, y: Array, *, ridge: float = RIDGE) -> Array:
    """Weights by Newton's method, with a small ridge that keeps separable rows finite.

    Args:
        X: Design, shape (rows, columns); its first column is the intercept, which the ridge leaves alone.
        y: 0 or 1, shape (rows,).
    """
    weights, held = np.zeros(X.shape[1]), np.full(X.shape[1], ridge)
    held[0] = 1e-6
    for _ in range(_STEPS):
        p = expit(X @ weights)
        curvature = (X.T * (p * (1 - p))) @ X
        curvature[np.diag_indices_from(curvature)] += held
        step = np.linalg.solve(curvature, X.T @ (y - p) - held * weights)
        weights += step
        if np.abs(step).max() < _SMALL_STEP:
            break
    return weights


def auc(y: Array, score: Array) -> float:
    """The chance that a row of 1 scores above a row of 0; ties count half. NaN when there is only one of both."""
    positives = int(y.sum())
    pairs = positives * (len(y) - positives)
    return float((rankdata(score)[y > 0].sum() - positives * (positives + 1) / 2) / pairs) if pairs else float("nan")
