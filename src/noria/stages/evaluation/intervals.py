"""From influences or resamples to standard errors and intervals, with or without clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from noria.stages.evaluation.blocks import FEWEST_STEPS, block_length, by_cosines, runs
from noria.stages.evaluation.measured import Array, Codes, Replicate

MOST_UNITS = 2_000
"""Rows without clusters are resampled in at most so many random groups, which bounds time and memory."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard error with the degrees of freedom behind it.

    Attributes:
        bias: For resampled metrics: how much too high the value is on average.
        noise: For resampled metrics: what chance alone adds at most, at the level of the interval.
    """

    se: float
    freedom: int
    bias: float = 0.0
    noise: float = math.nan


def spread_of(influence: Array, samples: Codes | None = None, clusters: NDArray | None = None, *, serial: bool = False) -> Spread:
    """The standard error of a smooth metric, or of a difference of two.

    Rows: the sum of squared influences, each sample with its own n/(n−1), which for ROC AUC is the
    variance of DeLong et al. (1988). Clusters: the same over sums within clusters, G/(G−1)
    (Liang & Zeger 1986; for ROC AUC this is Obuchowski 1997). NaN with a single unit.
    Serial: clusters (or rows) follow each other in time; see `by_cosines`.
    """
    if not len(influence):
        return Spread(math.nan, 0)
    if serial:
        codes, count = (np.arange(len(influence)), len(influence)) if clusters is None else units_of(clusters, len(influence))
        steps = np.bincount(codes, weights=influence, minlength=count).astype(np.float64)
        return Spread(math.nan, 0) if count < FEWEST_STEPS else Spread(*by_cosines(steps))
    if clusters is not None:
        codes, count = units_of(clusters, len(influence))
        influence, samples = np.bincount(codes, weights=influence, minlength=count).astype(np.float64), None
    sample = np.zeros(len(influence), dtype=np.intp) if samples is None else samples
    sizes = np.bincount(sample)
    if sizes.min() < 2:
        return Spread(math.nan, 0)
    squares = np.bincount(sample, weights=influence**2)
    return Spread(math.sqrt(float((squares * sizes / (sizes - 1)).sum())), len(influence) - 1)


def resampled_spread(
    replicates: Sequence[Replicate], count: int, *, seed: int, resamples: int, level: float, serial: bool = False
) -> Spread:
    """The standard error of a sum of absolute gaps, or of the difference of two on the same resamples, by the bootstrap.

    Units (see `units_of`) are drawn with replacement. The resamples also tell the bias (Efron &
    Tibshirani 1993, chapter 10), and the noise of all gaps together: a sum of absolute values is
    above 0 by chance alone, and by the triangle inequality no further above the true sum than that.
    Serial units are drawn in runs of neighbours (the stationary bootstrap of Politis & Romano 1994).
    """
    if count < 2:
        return Spread(math.nan, 0)
    run = 1.0
    if serial:
        each = replicates[0](np.eye(count)) if count <= MOST_UNITS else np.empty((count, 0))
        run = max((block_length(gaps) for gaps in each.T if np.isfinite(gaps).all()), default=1.0)
    weights = np.vstack([np.ones(count), draws(np.random.default_rng(seed), resamples, count, run)])
    drawn = [replicate(weights) for replicate in replicates]
    sums = [np.abs(gaps).sum(axis=1) for gaps in drawn]
    values = sums[0] - sums[1] if len(sums) > 1 else sums[0]
    noise = np.abs(drawn[0][1:] - drawn[0][0]).sum(axis=1)
    few = math.sqrt(count / (count - 1))
    return Spread(
        se=float(values[1:].std(ddof=1)) * few,
        freedom=count - 1,
        bias=float(values[1:].mean() - values[0]),
        noise=float(np.quantile(noise, (1.0 + level) / 2.0)) * few,
    )


def interval(value: float, spread: Spread, *, level: float, bounds: tuple[float, float], share_of: int = 0) -> tuple[float, float]:
    """The interval of a metric: Student's t, cut at its bounds; Wilson's (1927) with the effective rows for a share.

    Args:
        bounds: Smallest and largest value of the metric.
        share_of: For metrics that are shares of rows or pairs: how many rows decide when all of them agree; else 0.
    """
    if math.isnan(spread.se):
        return math.nan, math.nan
    wide = critical(level, spread.freedom)
    if share_of:
        effective = value * (1.0 - value) / spread.se**2 if spread.se and 0.0 < value < 1.0 else float(share_of)
        return _wilson(value, effective, wide)
    reach = wide * spread.se
    low = value - (reach if math.isnan(spread.noise) else max(reach, spread.noise))
    return max(bounds[0], low), max(value, min(bounds[1], value - spread.bias + reach))


def critical(level: float, freedom: int) -> float:
    """How many standard errors an interval reaches to each side."""
    return float(stdtrit(freedom, (1.0 + level) / 2.0)) if freedom > 0 else math.nan


def units_of(clusters: NDArray | None, rows: int, *, serial: bool = False) -> tuple[Codes, int]:
    """Which unit of resampling each row belongs to, and how many there are: its cluster, or one of many even groups (serial: runs)."""
    if clusters is None:
        count = min(rows, MOST_UNITS)
        return np.arange(rows) * count // rows if serial else np.arange(rows) % count, count
    names, codes = np.unique(clusters, return_inverse=True)
    return codes, len(names)


def draws(random: np.random.Generator, resamples: int, count: int, run: float = 1.0) -> Array:
    """How often each unit was drawn, shape (resamples, count), one by one or in runs of neighbours of this mean length."""
    picked = runs(random, resamples, count, run) if run > 1.0 else random.integers(count, size=(resamples, count))
    picked = picked + np.arange(resamples)[:, None] * count
    return np.bincount(picked.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)


def _wilson(share: float, n: float, wide: float) -> tuple[float, float]:
    shrunk = 1.0 + wide**2 / n
    middle = (share + wide**2 / (2.0 * n)) / shrunk
    half = wide / shrunk * math.sqrt(share * (1.0 - share) / n + wide**2 / (4.0 * n**2))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
