"""How far two histograms are from each other: one table of counts gives every statistic.

All take counts, shape (..., bins), of a reference and of chunks; leading axes are broadcast. An
effect decides; the p-values beside it annotate, since with enough rows every difference is
significant.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, kolmogorov, ndtr

Numbers = NDArray[np.float64]

FEWEST_EXPECTED = 5.0
"""Rows that a bin is expected to hold, at least, before χ² may look at it alone (Cochran 1954)."""


def jensen_shannon(reference: ArrayLike, chunk: ArrayLike) -> Numbers:
    """The Jensen–Shannon distance, base 2, 0 (alike) to 1 (nothing in common); as SciPy's `jensenshannon`.

    Source: Lin 1991, "Divergence measures based on the Shannon entropy"; Endres & Schindelin 2003.
    """
    p, q = _shares(reference), _shares(chunk)
    middle = (p + q) / 2
    nats = (_entropy_terms(p, middle) + _entropy_terms(q, middle)).sum(axis=-1) / 2
    return np.sqrt(np.maximum(nats / log(2), 0.0))


def hellinger(reference: ArrayLike, chunk: ArrayLike) -> Numbers:
    """The Hellinger distance, 0 to 1."""
    p, q = _shares(reference), _shares(chunk)
    return np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=-1) / 2)


def wasserstein(reference: ArrayLike, chunk: ArrayLike, centres: ArrayLike) -> Numbers:
    """The first Wasserstein distance between numbers that sit at the centres of their bins, in their unit.

    Args:
        centres: Ascending, shape (bins,); here the means of the reference's rows, so that heavy
            values and the reference's own middle are where they are.
    """
    apart = np.abs(_cdf(reference) - _cdf(chunk))[..., :-1]
    return np.asarray((apart * np.diff(np.asarray(centres, dtype=np.float64))).sum(axis=-1))


def kolmogorov_smirnov(reference: ArrayLike, chunk: ArrayLike) -> Numbers:
    """The largest distance between both distribution functions at the edges of the bins.

    It is at most the D of the rows themselves, and less than that by no more than the largest share
    that one bin has.
    """
    return np.asarray(np.abs(_cdf(reference) - _cdf(chunk)).max(axis=-1, initial=0.0))


def ks_p(distance: ArrayLike, n: ArrayLike, m: ArrayLike) -> Numbers:
    """How often a distance of two samples of n and m rows is at least this large by chance (asymptotic; binned, it errs upwards)."""
    n, m = np.asarray(n, dtype=np.float64), np.asarray(m, dtype=np.float64)
    return np.asarray(kolmogorov(np.asarray(distance) * np.sqrt(n * m / np.maximum(n + m, 1.0))))


def chi_square(reference: ArrayLike, chunk: ArrayLike) -> tuple[float, float, float, float]:
    """Pearson's χ² and the G statistic of two rows of counts, each with its p: (χ², p, G, p).

    Bins in which fewer than five rows are expected on either side are pooled first, rarest first;
    when nothing is left to compare all are NaN.
    """
    table = _pooled(np.stack([np.asarray(reference, dtype=np.float64), np.asarray(chunk, dtype=np.float64)]))
    freedom = table.shape[1] - 1
    if freedom < 1 or not table.sum(axis=1).all():
        return (float("nan"),) * 4
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    pearson = float((np.square(table - expected) / expected).sum())
    g = float(2 * _entropy_terms(table, expected).sum())
    return pearson, float(chdtrc(freedom, pearson)), g, float(chdtrc(freedom, max(g, 0.0)))


def two_proportions(hits: int, rows: int, chunk_hits: int, chunk_rows: int) -> tuple[float, float]:
    """The z statistic of two shares with its two-sided p; z² is Pearson's χ² of the same table."""
    if not rows or not chunk_rows:
        return float("nan"), float("nan")
    both = (hits + chunk_hits) / (rows + chunk_rows)
    se = sqrt(both * (1 - both) * (1 / rows + 1 / chunk_rows))
    z = (chunk_hits / chunk_rows - hits / rows) / se if se > 0 else 0.0
    return z, float(2 * ndtr(-abs(z)))


def _shares(counts: ArrayLike) -> Numbers:
    found = np.asarray(counts, dtype=np.float64)
    return found / np.maximum(found.sum(axis=-1, keepdims=True), 1.0)


def _cdf(counts: ArrayLike) -> Numbers:
    return np.cumsum(_shares(counts), axis=-1)


def _entropy_terms(p: Numbers, q: Numbers) -> Numbers:
    """P ln(p / q), 0 where p is."""
    some = p > 0
    return np.asarray(p * np.log(np.divide(p, q, out=np.ones(np.broadcast_shapes(p.shape, q.shape)), where=some)))


def _pooled(table: Numbers) -> Numbers:
    """Columns of a (2, bins) table with the rarest put together until each has the expected rows on both sides."""
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] == 0:
        return table
    order = np.argsort(table.sum(axis=0), kind="stable")
    needed = FEWEST_EXPECTED * table.sum() / max(float(table.sum(axis=1).min()), 1e-9)
    sums = np.cumsum(table.sum(axis=0)[order])
    rare = int(np.searchsorted(table.sum(axis=0)[order], needed))
    if rare == 0:
        return table
    if sums[rare - 1] < needed:
        rare = min(rare + 1, table.shape[1])
    return np.column_stack([table[:, order[:rare]].sum(axis=1), table[:, order[rare:]]])
