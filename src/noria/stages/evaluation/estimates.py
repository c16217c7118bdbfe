"""A metric with its interval: the only way a metric is passed around."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.schema import Estimate, Task
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.intervals import interval, resampled_spread, spread_of, units_of
from noria.stages.evaluation.measured import Measured
from noria.stages.evaluation.metric import CLASSIFYING
from noria.stages.evaluation.metrics import Metric, arrays, metric

RESAMPLES = 300


def estimate(
    name: str,
    y: ArrayLike,
    score: ArrayLike,
    *,
    task: Task,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    clusters: NDArray | None = None,
    given: Given = PLAIN,
    serial: bool = False,
) -> Estimate:
    """Estimate a metric with its interval.

    Smooth metrics use their influences (for ROC AUC that is DeLong's method), the others the bootstrap.

    Args:
        y: Outcomes, shape (rows,): 0/1, class codes or numbers.
        score: P(1) or the number, shape (rows,), or class probabilities, shape (rows, classes).
        clusters: Shape (rows,), for example the day of each row: rows of one cluster are not taken as independent.
            Of rankings, queries are clusters when no others are given.
        given: What else the metric may need: a threshold, costs, queries, levels.
        serial: Whether clusters (or rows) follow each other in time, so that neighbours are not independent either.

    Returns:
        A NaN value where the metric cannot be computed (no rows, one class), NaN ends where only its interval cannot.

    Raises:
        NotFound: the task does not offer the metric.
        DataInvalid: y and score do not fit together.
    """
    known = metric(name, task)
    outcomes, scores = arrays(y, score, classes=task in CLASSIFYING)
    measured = known.measured(outcomes, scores, given)
    if math.isnan(measured.value):
        return unknown(len(outcomes), level)
    clusters = given.groups if clusters is None and known.grouped else clusters
    if known.resampled is None:
        spread = spread_of(measured.influence, measured.samples, clusters, serial=serial)
    else:
        units, count = units_of(clusters, len(outcomes), serial=serial)
        replicate = known.resampled(outcomes, scores, units, count)
        spread = resampled_spread([replicate], count, seed=seed, resamples=resamples, level=level, serial=serial)
    low, high = interval(measured.value, spread, level=level, bounds=known.bounds, share_of=_decisive_rows(known, measured, given))
    return Estimate(value=measured.value, low=low, high=high, n=len(outcomes), se=spread.se, level=level)


def unknown(n: int, level: float) -> Estimate:
    """What is said of a metric that cannot be computed on `n` rows."""
    return Estimate(value=math.nan, low=math.nan, high=math.nan, n=n, level=level)


def _decisive_rows(known: Metric, measured: Measured, given: Given) -> int:
    """For shares: the rows of the smallest sample (all of them, for ROC AUC those of the rarer class, or the queries); else 0."""
    if known.bounds != (0.0, 1.0) or known.resampled is not None:
        return 0
    if known.grouped and given.groups is not None:
        return len(np.unique(given.groups))
    return len(measured.influence) if measured.samples is None else int(np.bincount(measured.samples).min())
