"""Exponentially weighted moving averages (Roberts 1959): a chart that one can draw, and small shifts show on it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import ndtr

from noria.core.streaming import EwmaState

Array = NDArray[np.float64]

_CELLS = 101


def advance(state: EwmaState, values: Array) -> tuple[EwmaState, int | None]:
    """Take in values, shape (rows,); returns the place of the first alarm among them, None when there is none.

    z ← w x + (1 − w) z, an alarm when |z| > width · √(w / (2 − w) · (1 − (1 − w)^{2 t})): the
    limits are those of the average's own deviation after t values. After an alarm it starts at 0.
    """
    first, start, now = None, 0, state
    while start < len(values):
        averages = moving(now, values[start:])
        beyond = np.flatnonzero(np.abs(averages) > limits(now, len(averages)))
        if not len(beyond):
            now = replace(now, average=float(averages[-1]), rows=now.rows + len(averages))
            break
        at = start + int(beyond[0])
        first = at if first is None else first
        start, now = at + 1, replace(now, average=0.0, rows=0)
    return now, first


def moving(state: EwmaState, values: Array) -> Array:
    """The moving average after each value, shape (rows,)."""
    w = state.weight
    found, _ = lfilter([w], [1.0, w - 1.0], values, zi=np.array([(1.0 - w) * state.average]))
    return np.asarray(found, dtype=np.float64)


def limits(state: EwmaState, rows: int) -> Array:
    """The limit of |average| after each of the next values, shape (rows,)."""
    w, t = state.weight, state.rows + np.arange(1, rows + 1)
    return np.asarray(state.width * np.sqrt(w / (2.0 - w) * -np.expm1(2.0 * t * np.log1p(-w)) if w < 1 else np.ones(rows)))


def run_length(weight: float, width: float) -> float:
    """How many independent standard normal values pass, on average, before a false alarm; limits at their final width.

    By the Markov chain of Brook & Evans (1972), as Lucas & Saccucci (1990) use it.
    """
    reach = width * sqrt(weight / (2.0 - weight))
    edges = np.linspace(-reach, reach, _CELLS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    upto = ndtr((edges[None, :] - (1.0 - weight) * middles[:, None]) / weight)
    stays = np.eye(_CELLS) - np.diff(upto, axis=1)
    return float(np.linalg.solve(stays, np.ones(_CELLS))[_CELLS // 2])


@lru_cache(maxsize=64)
def width_for(rows: float, weight: float) -> float:
    """The width at which a false alarm comes once in so many rows."""
    return float(brentq(lambda width: log(run_length(weight, width)) - log(rows), 0.5, 7.0))
