"""The population stability index, free of its bias, and what it does when nothing drifts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2


def debiased_psi(reference: ArrayLike, chunk: ArrayLike) -> NDArray[np.float64]:
    """Measure how far chunks are from their reference: PSI less what chance alone gives it.

    PSI = Σ (p − q) ln(p / q) over bins. Without drift it is near (1/N + 1/M) · χ² with B − 1
    degrees of freedom, so its mean (B − 1)(1/N + 1/M) is taken off; the result is 0 on average
    at any number of rows, and may be below 0.

    A bin is given half a row more than was found, but no more than half of what is expected there:
    so an empty bin counts for what it is worth, and one that is rare in both adds nothing.

    Args:
        reference, chunk: Counts per bin, shape (..., bins); leading axes are broadcast.

    Returns:
        Shape (...).

    Source: Yurdakul & Naranjo 2020, "Statistical properties of the population stability index".
    """
    expected, found = np.asarray(reference, dtype=np.float64), np.asarray(chunk, dtype=np.float64)
    n, m = expected.sum(axis=-1, keepdims=True), found.sum(axis=-1, keepdims=True)
    p = (expected + 0.5) / (n + 0.5 * expected.shape[-1])
    added = np.minimum(0.5, m * p / 2)
    q = (found + added) / np.maximum(m + added.sum(axis=-1, keepdims=True), 1e-9)
    index = ((p - q) * np.log(p / q)).sum(axis=-1)
    freedom = np.maximum(np.count_nonzero(expected, axis=-1) - 1, 0)
    chance = (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))[..., 0]
    return np.asarray(index - freedom * chance)


def chance_limit(reference: ArrayLike, rows: int, *, quantile: float = 0.99) -> float:
    """The debiased PSI that `rows` independent rows stay below with probability `quantile` when nothing drifts."""
    counts = np.asarray(reference, dtype=np.float64)
    freedom = int(np.count_nonzero(counts)) - 1
    if freedom < 1 or rows < 1:
        return 0.0
    return (_chi2_quantile(quantile, freedom) - freedom) * (1 / counts.sum() + 1 / rows)


@lru_cache(maxsize=256)
def _chi2_quantile(quantile: float, freedom: int) -> float:
    return float(chi2.ppf(quantile, freedom))
