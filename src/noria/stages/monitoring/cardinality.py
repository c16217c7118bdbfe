"""How many different values so many rows should show: the reference drawn from at random, and what its chunks add to that."""

from __future__ import annotations

from math import log2

import numpy as np
from numpy.typing import NDArray

from noria.core.watching import FeatureReference

KNOTS = 12
_FEWEST_ROWS = 32.0

Curve = tuple[tuple[float, float], ...]


def curve_of(counts: NDArray[np.int64]) -> Curve:
    """Expected number of different values among n rows drawn at random, at a dozen n between few and all.

    Σ 1 − (1 − share)ⁿ over the values: rarefaction (Hurlbert 1971), with replacement.

    Args:
        counts: Rows of each different value.
    """
    total = int(counts.sum())
    if total == 0:
        return ()
    times, values = np.unique(counts, return_counts=True)
    left = np.log1p(-np.minimum(times / total, 1 - 1e-15))
    rows = np.unique(np.geomspace(min(_FEWEST_ROWS, total), total, KNOTS))
    drawn = [(float(n), float((values * -np.expm1(n * left)).sum())) for n in rows[:-1]]
    return (*drawn, (float(total), float(len(counts))))


def expected(curve: Curve, rows: float) -> float:
    """Read the curve between its knots (straight in logarithms) and go on along its last piece beyond them; NaN without one."""
    if not curve or rows <= 0:
        return float("nan")
    n, values = np.log2(np.array(curve)).T
    if rows > curve[-1][0] and len(curve) > 1:
        slope = max(0.0, (values[-1] - values[-2]) / (n[-1] - n[-2]))
        return float(2 ** (values[-1] + slope * (log2(rows) - n[-1])))
    return float(2 ** np.interp(log2(rows), n, values))


def surprise(feature: FeatureReference, different: float, rows: int) -> float:
    """The log2 of how many more (or fewer) different values there are than is usual for so many rows; NaN when unknown.

    A day shows fewer different customers than as many rows of a year would, so what the
    reference's own chunks differ from the curve is taken off.
    """
    usual = expected(feature.distinct, rows)
    if different <= 0 or not usual > 0:
        return float("nan")
    return log2(different / usual) - feature.usual.get("cardinality", 0.0)
