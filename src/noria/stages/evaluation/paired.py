"""Candidate against champion on the same rows: the difference, with its interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.schema import Estimate, Task
from noria.stages.evaluation.estimates import RESAMPLES, unknown
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.intervals import critical, resampled_spread, spread_of, units_of
from noria.stages.evaluation.measured import Array, Measured
from noria.stages.evaluation.metrics import Metric, arrays, metric


def compare(
    name: str,
    y: ArrayLike,
    candidate: ArrayLike,
    champion: ArrayLike,
    *,
    task: Task,
    seed: int = 0,
    level: float = 0.95,
    clusters: NDArray | None = None,
    resamples: int = RESAMPLES,
    given: Given = PLAIN,
    champion_given: Given | None = None,
    serial: bool = False,
) -> Estimate:
    """Estimate by how much the candidate beats the champion; positive means that the candidate is better.

    Paired: both are judged on each row, so what makes a row hard for both cancels out. For ROC AUC
    this is the paired test of DeLong et al. (1988); with clusters, of Obuchowski (1997).

    Args:
        candidate, champion: Scores for the same rows, shape (rows,) or (rows, classes).
        clusters: Shape (rows,), for example the day of each row: rows of one cluster are not taken as independent.
        given: What else the metric may need, see `estimate`.
        champion_given: The same for the champion, where it differs: its own threshold.
        serial: Whether clusters (or rows) follow each other in time, so that neighbours are not independent either.

    Raises:
        NotFound: the task does not offer the metric.
        DataInvalid: y and the scores do not fit together.
    """
    known = metric(name, task)
    outcomes, new = arrays(y, candidate)
    _, old = arrays(y, champion)
    ours, theirs = known.measured(outcomes, new, given), known.measured(outcomes, old, champion_given or given)
    if math.isnan(ours.value) or math.isnan(theirs.value):
        return unknown(len(outcomes), level)
    gain = known.goodness(ours.value) - known.goodness(theirs.value)
    clusters = given.groups if clusters is None and known.grouped else clusters
    if known.resampled is None:
        spread = spread_of(facing(known, ours) - facing(known, theirs), ours.samples, clusters, serial=serial)
    else:
        units, count = units_of(clusters, len(outcomes), serial=serial)
        replicates = [known.resampled(outcomes, score, units, count) for score in (new, old)]
        spread = resampled_spread(replicates, count, seed=seed, resamples=resamples, level=level, serial=serial)
    reach = critical(level, spread.freedom) * spread.se
    return Estimate(value=gain, low=gain - reach, high=gain + reach, n=len(outcomes), se=spread.se, level=level)


def facing(known: Metric, measured: Measured) -> Array:
    """Each row's influence on the value, or on its distance from 0 where either side is worse."""
    return np.sign(measured.value) * measured.influence if known.signed else measured.influence
