"""The statistics that may decide whether a feature drifted, each with what chance alone does to it."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, kolmogi

from noria.core.declaration.watch import STATISTICS
from noria.stages.monitoring.distances import hellinger, jensen_shannon, kolmogorov_smirnov, wasserstein
from noria.stages.monitoring.stability import chance_limit as psi_limit
from noria.stages.monitoring.stability import debiased_psi

Numbers = NDArray[np.float64]

OF_NUMBERS: Final = ("wasserstein", "ks")
"""Statistics that need an order of values; for text the Jensen–Shannon distance stands in for them."""


def fitting(statistic: str, *, text: bool) -> str:
    """The statistic itself, or the one that stands in for it where values have no order."""
    return "js" if text and statistic in OF_NUMBERS else statistic


def effect(statistic: str, reference: ArrayLike, chunk: ArrayLike, *, centres: ArrayLike = (), spread: float = 1.0) -> Numbers:
    """Measure how far chunks are from their reference, in the statistic's own unit.

    What chance alone gives is taken off from "psi", "js" and "hellinger"; a bin for missing values
    is one among the others. "wasserstein" (in standard deviations of the reference) and "ks" look
    at the numbers alone.

    Args:
        reference, chunk: Counts per bin, missing last, shape (..., bins).
        centres: Means of the bins without missing, for "wasserstein".
        spread: Standard deviation of the reference, for "wasserstein".
    """
    n, m = np.asarray(reference, dtype=np.float64), np.asarray(chunk, dtype=np.float64)
    return less_chance(statistic, root(statistic, n, m, centres=centres, spread=spread), by_chance(statistic, n, m))


def root(statistic: str, reference: Numbers, chunk: Numbers, *, centres: ArrayLike = (), spread: float = 1.0) -> Numbers:
    """The effect with what chance gives it, on a scale on which its noise is the same everywhere (for "psi" the square root)."""
    if statistic == "psi":
        return np.sqrt(np.maximum(debiased_psi(reference, chunk) + by_chance(statistic, reference, chunk), 0.0))
    if statistic == "js":
        return jensen_shannon(reference, chunk)
    if statistic == "hellinger":
        return hellinger(reference, chunk)
    if statistic == "wasserstein":
        return wasserstein(reference[..., :-1], chunk[..., :-1], centres) / (spread or 1.0)
    if statistic == "ks":
        return kolmogorov_smirnov(reference[..., :-1], chunk[..., :-1])
    raise ValueError(f"no statistic {statistic!r}; there are {', '.join(STATISTICS)}")


def less_chance(statistic: str, root: Numbers, chance: Numbers | float) -> Numbers:
    """The effect from its `root` and what chance gives to its square."""
    if statistic == "psi":
        return np.square(root) - chance
    return np.asarray(root) if statistic in OF_NUMBERS else np.sqrt(np.maximum(np.square(root) - chance, 0.0))


def by_chance(statistic: str, reference: Numbers, chunk: Numbers) -> Numbers:
    """What chance alone gives to the square of `root`, on average."""
    n, m = reference.sum(axis=-1), chunk.sum(axis=-1)
    freedom = np.maximum(np.count_nonzero(reference, axis=-1) - 1, 0)
    share = {"psi": 1.0, "js": 1 / (8 * log(2)), "hellinger": 1 / 8}.get(statistic, 0.0)
    return np.asarray(share * freedom * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)))


def chance_limit(
    statistic: str, reference: ArrayLike, rows: int, *, centres: ArrayLike = (), spread: float = 1.0, quantile: float = 0.99
) -> float:
    """The effect that `rows` independent rows stay below with probability `quantile` when nothing drifts.

    All bins' shares together are normal with a known covariance. PSI, 8 × the Jensen–Shannon
    divergence and 8 × the squared Hellinger distance are then χ² alike; D is Kolmogorov's; the
    Wasserstein distance is a weighted sum of half-normals, whose first two moments are exact and
    whose quantile is the gamma distribution's that has them.
    """
    counts = np.asarray(reference, dtype=np.float64)
    if statistic == "psi":
        return psi_limit(counts, rows, quantile=quantile)
    if statistic in ("js", "hellinger"):
        return sqrt(max(psi_limit(counts, rows, quantile=quantile), 0.0) / 8 / (log(2) if statistic == "js" else 1.0))
    total = float(counts[:-1].sum())
    if total < 1 or rows < 1:
        return 0.0
    noise = sqrt(1 / total + 1 / rows)
    if statistic == "ks":
        return float(kolmogi(1 - quantile)) * noise
    return _half_normals(counts[:-1] / total, np.asarray(centres, dtype=np.float64), quantile) * noise / (spread or 1.0)


def _half_normals(shares: Numbers, centres: Numbers, quantile: float) -> float:
    """The quantile of Σ w |Z| for a Brownian bridge Z at the edges of bins whose centres are w apart."""
    below = np.clip(np.cumsum(shares)[:-1], 0.0, 1.0)
    some = (below > 0) & (below < 1 - 1e-12)
    below, apart = below[some], np.diff(centres)[some]
    if len(below) == 0:
        return 0.0
    spread = apart * np.sqrt(below * (1 - below))
    low, high = np.minimum.outer(below, below), np.maximum.outer(below, below)
    rho = np.clip(np.sqrt(low * (1 - high) / (high * (1 - low))), 0.0, 1.0)
    mean = sqrt(2 / pi) * float(spread.sum())
    second = float((np.outer(spread, spread) * (2 / pi) * (np.sqrt(1 - rho**2) + rho * np.arcsin(rho))).sum())
    variance = max(second - mean**2, 1e-12 * mean**2)
    return float(gammaincinv(mean**2 / variance, quantile)) * variance / mean if mean > 0 else 0.0
