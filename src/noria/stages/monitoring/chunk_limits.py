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

SMALLEST_CHUNK = 50
"""Rows of a chunk that is worth calibrating on (and half of the median chunk's rows)."""

_THREE_SIGMA = 0.99865
_MAD = 1.4826
"""Standard deviations of a normal per median absolute deviation."""


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
    return float(max(values.mean() + _wide(worth) * values.std(ddof=1), np.quantile(values, 0.99)))


def robust_limit(values: NDArray[np.float64], worth: float) -> float:
    """The same from median and median absolute deviation: a feast day in the reference widens nothing.

    What is measured is skewed to the right, so deviations above the median count alone.
    """
    middle = float(np.median(values))
    above = values[values >= middle] - middle
    return middle + _wide(worth) * _MAD * float(np.median(above))


def share_limit(usual: float, reference_rows: int, rows: int) -> float:
    """The share that so many independent rows stay within, as surely as three deviations, when the usual one has not changed."""
    noise = sqrt(max(usual * (1 - usual), 0.0) * (1 / max(rows, 1) + 1 / max(reference_rows, 1)))
    return usual + 3 * noise + 1 / max(rows, 1)


def enough_rows(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which chunks have rows enough to show what is usual, shape (chunks,)."""
    return rows >= max(SMALLEST_CHUNK, float(np.median(rows)) / 2) if len(rows) else np.zeros(0, dtype=np.bool_)


def spread_over(usual: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Numbers of at most so many of the usual chunks, spread evenly over all of them: what is costly is calibrated on these."""
    places = np.flatnonzero(usual)
    return places[np.unique(np.linspace(0, max(len(places) - 1, 0), min(len(places), most)).round().astype(np.intp))]


def _wide(worth: float) -> float:
    return float(student.ppf(_THREE_SIGMA, worth - 1)) * sqrt(1 + 1 / worth)


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
