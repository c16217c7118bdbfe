"""How long a model takes to answer one row."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

WARM_UP = 20
NS_PER_MS = 1e6


def measure(score: Callable[[NDArray], NDArray], rows: NDArray, *, calls: int = 300) -> tuple[float, float]:
    """Time single-row answers, after a warm-up, on rows in turn.

    Args:
        score: Matrix of shape (1, features) in, answer out: the form that serves.
        rows: Real rows, shape (rows, features).

    Returns:
        Median and 99th percentile, in ms; NaN when there are no rows.
    """
    if not len(rows):
        return float("nan"), float("nan")
    singles = [np.ascontiguousarray(rows[at : at + 1]) for at in range(min(len(rows), calls))]
    for turn in range(min(WARM_UP, calls)):
        score(singles[turn % len(singles)])
    taken_ns = np.empty(calls)
    for turn in range(calls):
        one = singles[turn % len(singles)]
        began = perf_counter_ns()
        score(one)
        taken_ns[turn] = perf_counter_ns() - began
    p50, p99 = np.percentile(taken_ns, (50, 99)) / NS_PER_MS
    return float(p50), float(p99)
