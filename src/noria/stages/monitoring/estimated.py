"""Estimates a metric before outcomes come, from what the scores themselves say (confidence-based estimation).

A calibrated score of 0.8 is right eight times of ten, so the expected confusion matrix of rows
without outcomes is known, and with it every metric that is made of one. That holds for as long as
a score means what it meant on the held-out rows: a changed relation between inputs and outcome
cannot be seen in this way, which is why an estimate informs and never acts.

Source: NannyML's documentation of CBPE; Białek et al. 2024, "Estimating model performance under covariate shift without labels".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.errors import NotFound
from noria.core.schema import THRESHOLD, Estimate
from noria.core.watching import Calibration, Level, Reading
from noria.stages.monitoring.calibration import chances
from noria.stages.monitoring.doubt import moved
from noria.stages.monitoring.trust import Light, Trust

MONITOR = "estimated-quality"
"""Name of the monitor; its readings open no incident and give no signal."""


CELLS = 100
"""Cells of neighbouring scores that a resample draws from, in place of single rows."""

_SMALLEST = float(np.finfo(np.float64).eps)

Array = NDArray[np.float64]


def estimate(
    metric: str,
    scores: ArrayLike,
    calibration: Calibration,
    *,
    doubt: Array | None = None,
    level: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
    threshold: float = THRESHOLD,
) -> Estimate:
    """Estimate a metric of rows whose outcomes are not known; O(n log n).

    The interval is a bootstrap of the rows in which each resampled row draws its outcome, so it
    holds what a realised metric of so many independent rows would do. Each resample also draws
    what the calibration might be instead, as far as `doubt` goes.

    Args:
        scores: P(1), shape (rows,); those that are not numbers are left out.
        doubt: Covariance of the calibration's shift and stretch in these rows, shape (2, 2); None = it is known.
        threshold: From this score on, the answer counts as yes.

    Raises:
        NotFound: the metric cannot be computed from an expected confusion matrix.
    """
    formula = FORMULAS.get(metric)
    if formula is None:
        raise NotFound(f"{metric!r} cannot be estimated without outcomes", fix=f"there are {', '.join(FORMULAS)}")
    known = np.sort(np.asarray(scores, dtype=np.float64))
    known = known[np.isfinite(known)]
    if not len(known):
        return Estimate(value=nan, low=nan, high=nan, n=0, level=level)
    _, groups = np.unique(known, return_inverse=True)
    likely = chances(known, calibration)
    value = float(_expected(formula, _cells(known, likely, groups, threshold)))
    coarse = _cells(known, likely, _neighbours(known, threshold), threshold)
    replicates = _resampled(formula, coarse, doubt, resamples, seed) - _expected(formula, coarse)
    return spread_around(value, replicates, len(known), level)


def spread_around(value: float, replicates: Array, rows: int, level: float) -> Estimate:
    """An estimate whose interval is the replicates' middle part around its value; NaN ends where there are none."""
    replicates = replicates[np.isfinite(replicates)]
    if not isfinite(value) or not len(replicates):
        return Estimate(value=value, low=nan, high=nan, n=rows, level=level)
    low, high = value + np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=value, low=float(low), high=float(high), n=rows, se=float(replicates.std()), level=level)


def reading(
    metric: str,
    rows: int,
    estimated: Callable[[Trust], Estimate],
    trusted: Callable[[], Trust],
    *,
    loop: str,
    at: datetime,
    min_rows: int,
) -> Reading:
    """Read an estimate over a chunk, with its trust light; the level is never a breach.

    Args:
        rows: How many rows have an answer.
        estimated: The estimate of them; asked only under a green or amber light.
        trusted: How much the chunk is like the rows that the estimate was learnt on; asked only when there are rows enough.
    """
    if rows < max(min_rows, 1):
        return _reading(metric, None, rows, loop=loop, at=at, note=f"{rows:,} rows; {min_rows:,} are needed")
    trust = trusted()
    found = None if trust.light is Light.RED else estimated(trust)
    return _reading(metric, found, rows, loop=loop, at=at, note=told(trust))


def told(trust: Trust) -> str:
    """Say the light in words; the first one is its colour."""
    what = {
        Light.GREEN: "these rows are much like those that the model was judged on",
        Light.AMBER: "these rows differ from those that the model was judged on, so take it as a hint",
        Light.RED: "outside known territory, no estimate",
    }[trust.light]
    seen = f"domain AUC {trust.auc:.2f}, effective sample {trust.ess_share:.0%}"
    blind = "" if trust.light is Light.RED else " Blind to a change in what the inputs mean for the outcome."
    return f"{trust.light.capitalize()} light: {what} ({seen}).{blind}"


def _reading(metric: str, found: Estimate | None, rows: int, *, loop: str, at: datetime, note: str) -> Reading:
    return Reading(
        loop=loop,
        monitor=MONITOR,
        subject=metric,
        time=at,
        value=found.value if found else nan,
        threshold=nan,
        level=Level.OK if found and isfinite(found.value) else Level.NOT_ENOUGH,
        rows=rows,
        low=found.low if found else nan,
        high=found.high if found else nan,
        note=note,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """Rows by ascending score, neighbours together; each array has shape (cells,).

    Attributes:
        chance: Mean chance of a yes among the cell's rows.
        yes: 1 where the answer counts as yes.
        brier, log_loss: Loss of a row whose outcome is yes, then no; shape (2, cells).
    """

    rows: Array
    chance: Array
    yes: Array
    brier: Array
    log_loss: Array


Formula = Callable[[Array, Array, _Cells], Array]
"""From the positives and negatives in each cell, shape (..., cells), to the metric, shape (...)."""


def _cells(score: Array, likely: Array, groups: NDArray[np.intp], threshold: float) -> _Cells:
    rows = np.bincount(groups).astype(np.float64)

    def mean(values: Array) -> Array:
        return np.bincount(groups, weights=values) / rows

    kept = np.clip(score, _SMALLEST, 1 - _SMALLEST)
    return _Cells(
        rows=rows,
        chance=mean(likely),
        yes=mean((score >= threshold).astype(np.float64)),
        brier=np.array([mean((1 - score) ** 2), mean(score**2)]),
        log_loss=np.array([mean(-np.log(kept)), mean(-np.log(1 - kept))]),
    )


def _neighbours(score: Array, threshold: float) -> NDArray[np.intp]:
    """The cell of each of the sorted scores: equal shares of the rows, no cell on both sides of the threshold."""
    rank = np.searchsorted(score, score) * CELLS // len(score)
    return np.unique(2 * rank + (score >= threshold), return_inverse=True)[1]


def _expected(formula: Formula, cells: _Cells) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return formula(cells.rows * cells.chance, cells.rows * (1 - cells.chance), cells)


def _resampled(formula: Formula, cells: _Cells, doubt: Array | None, resamples: int, seed: int) -> Array:
    """A resampled row comes from a cell in proportion to its rows, and is a yes with the cell's chance: both draws at once."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(int(cells.rows.sum()), cells.rows / cells.rows.sum(), size=resamples)
    chance = cells.chance if doubt is None else moved(cells.chance, doubt, random, resamples)
    positives = random.binomial(drawn, np.clip(chance, 0.0, 1.0)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return formula(positives, drawn - positives, cells)


def _roc_auc(pos: Array, neg: Array, cells: _Cells) -> Array:
    below = np.cumsum(neg, axis=-1) - neg / 2
    return np.asarray((pos * below).sum(axis=-1) / (pos.sum(axis=-1) * neg.sum(axis=-1)))


def _accuracy(pos: Array, neg: Array, cells: _Cells) -> Array:
    return np.asarray((pos @ cells.yes + neg @ (1 - cells.yes)) / (pos + neg).sum(axis=-1))


def _precision(pos: Array, neg: Array, cells: _Cells) -> Array:
    return np.asarray(pos @ cells.yes / ((pos + neg) @ cells.yes))


def _recall(pos: Array, neg: Array, cells: _Cells) -> Array:
    return np.asarray(pos @ cells.yes / pos.sum(axis=-1))


def _f1(pos: Array, neg: Array, cells: _Cells) -> Array:
    return np.asarray(2 * (pos @ cells.yes) / ((pos + neg) @ cells.yes + pos.sum(axis=-1)))


def _brier(pos: Array, neg: Array, cells: _Cells) -> Array:
    return np.asarray((pos @ cells.brier[0] + neg @ cells.brier[1]) / (pos + neg).sum(axis=-1))


def _log_loss(pos: Array, neg: Array, cells: _Cells) -> Array:
    return np.asarray((pos @ cells.log_loss[0] + neg @ cells.log_loss[1]) / (pos + neg).sum(axis=-1))


FORMULAS: dict[str, Formula] = {
    "roc_auc": _roc_auc,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "brier": _brier,
    "log_loss": _log_loss,
}
"""Metrics of a binary task that an expected confusion matrix (or loss) gives."""
