"""Where two models answer differently, which of them is right more often: McNemar's test, with or without clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from noria.core.examination.comparing import Claim, Disagreement
from noria.core.schema import THRESHOLD, Estimate
from noria.stages.evaluation.estimates import unknown
from noria.stages.evaluation.intervals import critical, spread_of, units_of
from noria.stages.evaluation.measured import Array, mean_of
from noria.stages.evaluation.metrics import arrays

FEW = 25
"""Rows of disagreement up to which the exact test speaks; beyond, the mid-p test, which does not waste error."""


def disagreement(
    y: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: NDArray | None = None,
    thresholds: tuple[float, float] = (THRESHOLD, THRESHOLD),
    level: float = 0.95,
) -> Disagreement:
    """Compare two classifiers by the rows on which only one of them was right.

    Without clusters: the exact binomial test for few such rows, its mid-p version for many
    (Fagerland, Lydersen & Laake 2013). With clusters: the exact distribution of the summed
    difference when in each cluster the two models are swapped or not, each with chance one half.
    With clusters of one row that is McNemar's exact test; with many it tends to Durkalski's (2003)
    and Obuchowski's (1998), but needs no normal approximation.

    Args:
        y: Outcomes, shape (rows,): 0/1 or class codes.
        first, second: P(1), shape (rows,), or class probabilities, shape (rows, classes).
        clusters: Shape (rows,), for example the day of each row.
        thresholds: From these P(1) on, first and second say yes.

    Raises:
        DataInvalid: y and the scores do not fit together.
    """
    outcomes, new = arrays(y, first)
    _, old = arrays(y, second)
    ours, theirs = _right(outcomes, new, thresholds[0]), _right(outcomes, old, thresholds[1])
    gains = ours.astype(np.int64) - theirs
    only = (int((gains > 0).sum()), int((gains < 0).sum()))
    method, p = _tested(gains, only, clusters)
    difference = _difference(gains.astype(np.float64), clusters, level)
    ahead = Claim.BETTER if only[0] > only[1] else Claim.WORSE
    return Disagreement(
        rows=len(outcomes),
        both_right=int((ours & theirs).sum()),
        first_only=only[0],
        second_only=only[1],
        both_wrong=int((~ours & ~theirs).sum()),
        difference=difference,
        method=method,
        p_value=p,
        claim=ahead if p <= 1.0 - level and any(only) else Claim.NOT_SHOWN,
        clusters=0 if clusters is None else len(np.unique(clusters)),
        threshold=thresholds[0],
    )


def exact_p(first_only: int, second_only: int) -> float:
    """Two-sided exact p-value of "each row of disagreement is as likely to go either way".

    >>> round(exact_p(1, 7), 4)
    0.0703
    """
    few, all_of = min(first_only, second_only), first_only + second_only
    return min(1.0, 2.0 * float(binom.cdf(few, all_of, 0.5))) if all_of else 1.0


def mid_p(first_only: int, second_only: int) -> float:
    """The same with half the chance of what was seen: its size is near the level instead of below it.

    >>> round(mid_p(1, 7), 4)
    0.0391
    """
    few, all_of = min(first_only, second_only), first_only + second_only
    if not all_of or first_only == second_only:
        return 1.0
    return 2.0 * float(binom.cdf(few, all_of, 0.5)) - float(binom.pmf(few, all_of, 0.5))


def clustered_p(gains: NDArray[np.int64]) -> float:
    """Two-sided exact p-value of a sum of whole numbers, each of which might as well have had the other sign.

    Args:
        gains: Rows that only the first answered rightly less those that only the second did, per cluster.
    """
    sizes = np.abs(gains[gains != 0])
    if not len(sizes):
        return 1.0
    reach = int(sizes.sum())
    chances = np.zeros(2 * reach + 1)
    chances[reach] = 1.0
    for size in sizes:
        chances = 0.5 * (np.roll(chances, size) + np.roll(chances, -size))
    seen = abs(int(gains.sum()))
    return float(min(1.0, chances[reach + seen :].sum() + chances[: reach - seen + 1].sum())) if seen else 1.0


def _tested(gains: NDArray[np.int64], only: tuple[int, int], clusters: NDArray | None) -> tuple[str, float]:
    if clusters is not None:
        codes, count = units_of(clusters, len(gains))
        return "clustered", clustered_p(np.rint(np.bincount(codes, weights=gains, minlength=count)).astype(np.int64))
    return ("exact", exact_p(*only)) if only[0] + only[1] <= FEW else ("mid-p", mid_p(*only))


def _difference(gains: Array, clusters: NDArray | None, level: float) -> Estimate:
    if not len(gains):
        return unknown(0, level)
    measured = mean_of(gains)
    spread = spread_of(measured.influence, None, clusters)
    reach = critical(level, spread.freedom) * spread.se
    value = measured.value
    return Estimate(value=value, low=value - reach, high=value + reach, n=len(gains), se=spread.se, level=level)


def _right(y: Array, score: Array, threshold: float) -> NDArray[np.bool_]:
    answered = score.argmax(axis=1) if score.ndim == 2 else score >= threshold
    return np.asarray(answered == y)
