"""The Page–Hinkley test (Hinkley 1971): a cumulative sum around the running mean, when no normal is known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from noria.core.streaming import PageHinkleyState
from noria.stages.monitoring.streaming.cusum import walk

Array = NDArray[np.float64]


def advance(state: PageHinkleyState, values: Array) -> tuple[PageHinkleyState, int | None]:
    """Take in values, shape (rows,); returns the place of the first alarm among them, None when there is none.

    m ← m + (x − mean of all so far − slack), an alarm when m has risen by more than the limit from
    its lowest point; the same downwards. An alarm forgets all that came before it, mean and all.
    """
    first, start, now = None, 0, state
    while start < len(values):
        rest = values[start:]
        count = now.rows + np.arange(1, len(rest) + 1)
        deviations = rest - (now.total + np.cumsum(rest)) / count
        ups, downs = walk(now.above, deviations - now.slack), walk(now.below, -deviations - now.slack)
        beyond = np.flatnonzero((ups > now.limit) | (downs > now.limit))
        if not len(beyond):
            total = now.total + float(rest.sum())
            now = replace(now, rows=now.rows + len(rest), total=total, above=float(ups[-1]), below=float(downs[-1]))
            break
        at = start + int(beyond[0])
        first = at if first is None else first
        start, now = at + 1, PageHinkleyState(slack=state.slack, limit=state.limit)
    return now, first
