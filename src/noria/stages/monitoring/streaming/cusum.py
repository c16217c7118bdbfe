"""Cumulative sums (Page 1954): the quickest way to see a lasting shift away from a known normal.

S ← max(0, S + x − slack), an alarm when S > limit. Among all rules with as few false alarms it has
the shortest delay for a shift of twice the slack (Moustakides 1986).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import exp, inf, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from noria.core.streaming import CusumState

Array = NDArray[np.float64]

_OVERSHOOT = 1.166
"""A random walk passes its limit by so much on average that the limit acts as if it lay further (Siegmund 1985)."""


def advance(state: CusumState, values: Array) -> tuple[CusumState, int | None]:
    """Take in values, shape (rows,); returns the place of the first alarm among them, None when there is none.

    After an alarm the sums begin again at 0 with the values after it, so a shift that stays is told again.
    """
    first, start, above, below = None, 0, state.above, state.below
    while True:
        rest = values[start:]
        ups = walk(above, rest - state.slack)
        downs = walk(below, -rest - state.slack) if state.downward else np.zeros(len(rest))
        beyond = np.flatnonzero((ups > state.limit) | (downs > state.limit))
        if not len(beyond):
            above, below = (float(sums[-1]) if len(sums) else old for sums, old in ((ups, above), (downs, below)))
            return replace(state, above=above, below=below), first
        at = start + int(beyond[0])
        first = at if first is None else first
        start, above, below = at + 1, 0.0, 0.0


def walk(start: float, steps: Array) -> Array:
    """S ← max(0, S + step) for each step, all at once: a sum less its own lowest point, shape (rows,)."""
    sums = start + np.cumsum(steps)
    return np.asarray(sums - np.minimum(np.minimum.accumulate(sums), 0.0)) if len(sums) else sums


def run_length(slack: float, limit: float) -> float:
    """How many independent standard normal values pass, on average, before one side gives a false alarm.

    (e^{2 k b} − 2 k b − 1) / (2 k²) with b = limit + 1.166 (Siegmund 1985, formula 2.56).
    """
    b = limit + _OVERSHOOT
    if slack == 0:
        return b * b
    return inf if 2 * slack * b > 700 else (exp(2 * slack * b) - 2 * slack * b - 1) / (2 * slack * slack)


@lru_cache(maxsize=256)
def limit_for(rows: float, slack: float, *, sides: int = 2) -> float:
    """The limit at which a false alarm comes once in so many rows; two sides alarm twice as often as one."""
    return float(brentq(lambda limit: log(run_length(slack, limit)) - log(rows * sides), 1e-9, 1e6))


def odds(happened: Array, *, usual: float, feared: float) -> Array:
    """What each of 0/1 values says for `feared` against `usual`: the logarithm of their likelihood ratio, shape (rows,).

    Summed with slack 0, an alarm above ln(n) is false less than once in n rows, whatever the rates (Lorden 1971).
    """
    yes, no = log(feared / usual), log((1 - feared) / (1 - usual))
    return np.where(happened > 0, yes, no)
