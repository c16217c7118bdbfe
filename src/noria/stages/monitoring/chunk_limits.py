"""Calibrates the limit of a statistic on chunks of the reference, whatever the statistic is."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from noria.core.joint import ChunkLimit

FEWEST_CHUNKS = 10
"""Chunks that a calibration needs; with fewer, chance alone sets the limits."""

FEWEST_INDEPENDENT = 5
"""Independent chunks that any calibration is taken to be worth."""

_THREE_SIGMA = 0.99865


def chunk_limit(values: ArrayLike) -> ChunkLimit:
    """Calibrate the limit of a statistic on its values over the chunks of the reference.

    Args:
        values: The statistic of each chunk against the rest, shape (chunks,), in order of time; NaN is left out.

    Returns:
        With an infinite limit when there are fewer than `FEWEST_CHUNKS` chunks: chance alone must then set one.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < FEWEST_CHUNKS:
        return ChunkLimit(usual=float(known.mean()) if len(known) else float("nan"), spread=float("nan"), limit=inf, chunks=0)
    limit = upper_limit(known, independent_rows(known[:, None]))
    return ChunkLimit(usual=float(known.mean()), spread=float(known.std(ddof=1)), limit=limit, chunks=len(known))


def upper_limit(values: NDArray[np.float64], worth: float) -> float:
    """The limit that one more chunk stays within, as surely as three deviations, or the 99th percentile if that is more.

    Args:
        worth: How many independent chunks the values are worth.
    """
    wide = float(student.ppf(_THREE_SIGMA, worth - 1)) * sqrt(1 + 1 / worth)
    return float(max(values.mean() + wide * values.std(ddof=1), np.quantile(values, 0.99)))


def independent_rows(series: NDArray[np.float64]) -> float:
    """Count the rows of a series that are worth an independent one each: n (1 − ρ) / (1 + ρ).

    Warm days follow warm days: ninety of them may hold what a dozen independent ones would. ρ is the
    correlation of neighbours (von Neumann's ratio), corrected for its bias in short series.

    Args:
        series: Shape (chunks, values), in order of time.
    """
    spread = np.square(series - series.mean(axis=0)).sum()
    n = len(series)
    if spread == 0:
        return float(n)
    rho = 1 - np.square(np.diff(series, axis=0)).sum() / (2 * spread)
    rho = min(max(rho + (1 + 3 * rho) / n, 0.0), 1.0)
    return float(max(n * (1 - rho) / (1 + rho), FEWEST_INDEPENDENT))
