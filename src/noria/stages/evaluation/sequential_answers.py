"""Whether two versions' answers are spread alike: always valid, in pairs on the same requests, or between arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noria.core.schema import Estimate
from noria.core.turning import GuardReading
from noria.stages.evaluation.measured import Array, Codes
from noria.stages.evaluation.sequential_mixture import always_valid_p, confidence_sequence, sharpest_tau

LEVELS = 9
"""Levels between which answers are counted; of many classes, each is counted for itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """Answers of one version.

    Attributes:
        answers: Finite, shape (rows,), or (rows, classes), in order of time.
        units: Codes from 0 of the unit (a sticky key) of each row: rows of one are not independent.
    """

    answers: Array
    units: Codes


def guard_distribution(champion: Arm, challenger: Arm, *, paired: bool, margin: float, alpha: float, min_n: int) -> GuardReading:
    """Compare how answers are spread: the largest gap between the shares of answers below some level.

    The levels are deciles of the champion's first `min_n` answers, which are then left out, so they
    were chosen before anything is counted. Each gap has a confidence sequence at alpha over the
    number of levels (Bonferroni). Harm is said only when a whole sequence lies beyond the margin: a
    model that was trained anew never answers exactly as the one before, and no small change is harm.
    So a version whose gap is within the margin is called harmful with probability below alpha, at
    all looks together.

    Args:
        paired: Row i is the same request in both, so the units are the champion's.
        margin: The gap that is tolerated, 0 to 1: it is what Kolmogorov and Smirnov measure.
        min_n: Rows to choose levels by, and units in each arm before anything is said.
    """
    one, other = _shares(champion, challenger, min_n, paired=paired)
    sizes = len(one), len(other)
    units = [arm.units[min_n if paired or arm is champion else 0 :] for arm in (champion, challenger)]
    fewest = min((len(np.unique(of)) for of in units), default=0)
    value = float(np.abs(other.mean(axis=0) - one.mean(axis=0)).max(initial=0.0)) if min(sizes) else float("nan")
    silent = Estimate(value=value, low=float("nan"), high=float("nan"), n=sum(sizes), level=1 - alpha)
    if fewest < max(min_n, 2):
        return _reading(silent, margin, 1.0, "not-enough-data", sizes)
    low, high, p = _widest(one, other, units, paired=paired, alpha=alpha / one.shape[1], fewest=fewest, min_n=min_n)
    difference = Estimate(value=value, low=low, high=high, n=sum(sizes), level=1 - alpha)
    verdict = "harm" if low > margin else "no-harm" if high < margin else "undecided"
    return _reading(difference, margin, min(1.0, p * one.shape[1]), verdict, sizes)


def _reading(difference: Estimate, margin: float, p: float, verdict: str, sizes: tuple[int, int]) -> GuardReading:
    return GuardReading(
        guard="distribution",
        difference=difference,
        margin=margin,
        p_value=p,
        verdict=verdict,
        champion_n=sizes[0],
        challenger_n=sizes[1],
    )


def _shares(champion: Arm, challenger: Arm, first: int, *, paired: bool) -> tuple[Array, Array]:
    """For each row, 0 or 1 at each level: whether the answer lies at or below it, or names the class; shape (rows, levels)."""
    if champion.answers.ndim == 2:
        classes = np.arange(champion.answers.shape[1])
        one, other = ((arm.answers.argmax(axis=1)[:, None] == classes).astype(np.float64) for arm in (champion, challenger))
    else:
        levels = (
            np.unique(np.quantile(champion.answers[:first], np.linspace(0, 1, LEVELS + 2)[1:-1])) if len(champion.answers) else np.zeros(1)
        )
        one, other = ((arm.answers[:, None] <= levels).astype(np.float64) for arm in (champion, challenger))
    return one[first:], other[first:] if paired else other


def _widest(
    one: Array, other: Array, units: list[Codes], *, paired: bool, alpha: float, fewest: int, min_n: int
) -> tuple[float, float, float]:
    """Bounds of the largest gap, and the smallest p-value of "there is none", over all levels."""
    gaps = other.mean(axis=0) - one.mean(axis=0)
    variances = _spread(other - one, units[0]) if paired else _spread(one, units[0]) + _spread(other, units[1])
    low = high = 0.0
    p = 1.0
    for d, s2 in zip(gaps.tolist(), variances.tolist(), strict=True):
        s2 = max(s2, (1.0 / fewest) ** 2)
        tau = sharpest_tau(s2, n=fewest, at=min_n, alpha=alpha)
        below, above = confidence_sequence(d, s2, tau=tau, alpha=alpha)
        low = max(low, below, -above)
        high = max(high, abs(below), abs(above))
        p = min(p, always_valid_p(d, s2, tau=tau))
    return low, high, p


def _spread(values: Array, units: Codes) -> Array:
    """Variance of each column's mean, errors summed within units first, shape (levels,)."""
    centred = values - values.mean(axis=0)
    sums = np.zeros((int(units.max()) + 1, values.shape[1]))
    np.add.at(sums, units, centred)
    return np.asarray(np.square(sums).sum(axis=0) / len(values) ** 2)
