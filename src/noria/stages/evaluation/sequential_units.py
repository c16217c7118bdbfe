"""Means of numbers that come with feedback, such as revenue, between two arms that were split by unit."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from noria.core.schema import Estimate
from noria.core.turning import GuardReading
from noria.stages.evaluation.measured import Array, Codes
from noria.stages.evaluation.sequential_mixture import always_valid_p, confidence_sequence, sharpest_tau

ENOUGH = 10.0
"""Units of equal weight that an arm's squared errors must be worth: a mean that hangs on a few rich units is no normal one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """One arm: a number for each request, and the unit (a sticky key) that it belongs to, codes from 0."""

    values: Array
    units: Codes


def guard_unit_mean(
    name: str, champion: Told, challenger: Told, *, margin: float, alpha: float, min_n: int, higher_is_worse: bool
) -> GuardReading:
    """Compare means per request of two arms, with the verdicts of `noria.stages.evaluation.sequential`.

    A unit sends as many requests as it likes, so the mean is a ratio of two sums over units, and its
    variance is that of a ratio: errors are summed within units before they are squared (Deng,
    Knoblich & Lu 2018). Nothing is winsorised: a rare large order is what is asked about. Instead
    it waits until the squared errors of either arm are spread over enough units.
    """
    sign = 1.0 if higher_is_worse else -1.0
    marks = [_mark(arm.values * sign, arm.units) for arm in (champion, challenger)]
    sizes, fewest = (len(champion.values), len(challenger.values)), min(mark.units for mark in marks)
    d = marks[1].mean - marks[0].mean
    silent = Estimate(value=d, low=float("nan"), high=float("nan"), n=sum(sizes), level=1 - alpha)
    if fewest < max(min_n, 2) or min(mark.effective for mark in marks) < ENOUGH:
        return _reading(name, silent, margin, 1.0, "not-enough-data", sizes)
    s2 = max(sum(mark.variance for mark in marks), ((abs(d) + margin) / fewest) ** 2)
    tau = sharpest_tau(s2, n=fewest, at=min_n, alpha=alpha)
    low, high = confidence_sequence(d, s2, tau=tau, alpha=alpha)
    difference = Estimate(value=d, low=low, high=high, n=sum(sizes), se=sqrt(s2), level=1 - alpha)
    verdict = "harm" if low > 0 and d > margin else "no-harm" if high < margin else "undecided"
    return _reading(name, difference, margin, always_valid_p(d, s2, tau=tau) if d > 0 else 1.0, verdict, sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    mean: float
    variance: float
    units: int
    effective: float


def _mark(values: Array, units: Codes) -> _Mark:
    if len(values) < 2:
        return _Mark(mean=float("nan"), variance=float("nan"), units=len(values), effective=0.0)
    mean = float(values.mean())
    squares = np.square(np.bincount(units, weights=values - mean))
    count = len(np.unique(units))
    total = float(squares.sum())
    effective = total**2 / float(np.square(squares).sum()) if total > 0 else float(count)
    return _Mark(mean=mean, variance=total / len(values) ** 2 * count / max(count - 1, 1), units=count, effective=effective)


def _reading(name: str, difference: Estimate, margin: float, p: float, verdict: str, sizes: tuple[int, int]) -> GuardReading:
    return GuardReading(
        guard=name, difference=difference, margin=margin, p_value=p, verdict=verdict, champion_n=sizes[0], challenger_n=sizes[1]
    )
