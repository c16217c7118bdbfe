"""Learns from what people thought of incidents: how often a monitor was right, and a limit that would have spared them.

A proposal is never applied by itself. It is made only where a monitor is shown to be wrong more
often than right, and only by a factor under which every incident that somebody found useful would
still have fired: each one is played again, reading by reading, through the same state machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from scipy.stats import beta

from noria.core.schema import Estimate
from noria.core.watching import Level, MonitorPhase, MonitorState, Reading
from noria.stages.monitoring.states import advance

LEVEL = 0.9
"""Coverage of the interval of a monitor's precision."""
LIKELY_NOISE = 0.5
"""A proposal needs a precision whose whole interval is below this: three of three that were noise, five of six, eight of ten."""
FARTHEST = 4.0
"""A limit is never proposed farther away than so many times."""
_FACTORS = np.round(np.geomspace(1.05, FARTHEST, 40), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One monitor's part in an incident that people judged: its readings from before it fired until it was over."""

    readings: tuple[Reading, ...]
    useful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A limit `factor` times as far away, and what it would have done.

    Attributes:
        spared, noise: Incidents of so many that were noise would not have been.
        useful: So many that were useful, all of which would have been all the same.
        precision: Of the monitor, as people judged it.
    """

    factor: float
    spared: int
    noise: int
    useful: int
    precision: Estimate


def precision(useful: int, noise: int) -> Estimate:
    """Share of a monitor's incidents that were useful, with its Jeffreys interval (Brown, Cai and DasGupta 2001)."""
    n = useful + noise
    if n == 0:
        return Estimate(value=float("nan"), low=0.0, high=1.0, n=0, level=LEVEL)
    low, high = beta.ppf([0.5 - LEVEL / 2, 0.5 + LEVEL / 2], useful + 0.5, noise + 0.5)
    return Estimate(value=useful / n, low=0.0 if useful == 0 else float(low), high=1.0 if noise == 0 else float(high), n=n, level=LEVEL)


def tuned(reading: Reading, factor: float) -> Reading:
    """The reading held against a limit that lies `factor` times as far away.

    `effect` is how far beyond its limit a reading lies, 0 at the limit and −1 where there is nothing
    to see, so the new one is (1 + effect) / factor − 1. What was no breach stays none.
    """
    if factor == 1.0:
        return reading
    effect = (1 + reading.effect) / factor - 1
    calm = reading.level is Level.BREACH and effect <= 0
    return replace(reading, effect=effect, threshold=_moved(reading, factor), level=Level.OK if calm else reading.level)


def fires(readings: Sequence[Reading], factor: float, *, k: int, m: int) -> bool:
    """Whether a monitor that begins well fires on these readings under such a limit."""
    state = MonitorState(loop="", monitor="", subject="")
    for reading in sorted(readings, key=lambda one: one.time):
        state = advance(state, tuned(reading, factor), k=k, m=m)
        if state.phase is MonitorPhase.FIRING:
            return True
    return False


def propose(judged: Sequence[Judged], *, k: int, m: int) -> Proposed | None:
    """The nearest limit that spares the most noise and loses nothing useful; None where none is called for or none helps.

    It must spare at least half of the noise: where useful and noisy alerts look alike, no limit
    tells them apart.
    """
    noise = [one for one in judged if not one.useful]
    useful = [one for one in judged if one.useful]
    right = precision(len(useful), len(noise))
    if right.high >= LIKELY_NOISE:
        return None
    best: Proposed | None = None
    for factor in map(float, _FACTORS):
        if not all(fires(one.readings, factor, k=k, m=m) for one in useful):
            break
        spared = sum(not fires(one.readings, factor, k=k, m=m) for one in noise)
        if spared > (best.spared if best else 0):
            best = Proposed(factor=factor, spared=spared, noise=len(noise), useful=len(useful), precision=right)
    return best if best is not None and best.spared * 2 >= len(noise) else None


def _moved(reading: Reading, factor: float) -> float:
    """The limit itself, moved away from what is usual; that is found from where value and limit lie in units of the effect.

    value − usual = (1 + effect) · (limit − usual)
    """
    if not (isfinite(reading.threshold) and isfinite(reading.value) and isfinite(reading.effect)) or abs(reading.effect) < 1e-9:
        return reading.threshold
    usual = ((1 + reading.effect) * reading.threshold - reading.value) / reading.effect
    return usual + factor * (reading.threshold - usual)
