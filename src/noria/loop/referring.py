"""What monitors will compare traffic with: the reference that a version is registered with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from noria.core.examination.importance import Importance
from noria.core.judging import Scorecard
from noria.core.schema import Task
from noria.core.watching import DriftReference
from noria.loop.beside import beside
from noria.loop.estimating import with_estimates
from noria.loop.materials import Materials
from noria.packaging import package
from noria.stages.evaluation.estimates import estimate
from noria.stages.monitoring import reference
from noria.stages.monitoring.chunk_limits import independent_rows

_COUNTING = ("drift", "data-quality")
"""Watches that hold chunks against the reference's own."""


def reference_of(on: Materials, card: Scorecard, *, leans: Importance | None = None) -> DriftReference:
    """Features as they were in training, and answers, quality and calibration as they are on held-out rows.

    Args:
        leans: What the candidate leans on, for models that do not say so themselves.
    """
    watched = [watch.metric for watch in on.loop.watch if watch.check == "quality"]
    days = on.judged["__time"].dt.epoch("d").to_numpy()
    marks = {name: _marks_of_days(name, on, days) for name in watched}
    compared = reference.build(
        on.frame,
        on.features.features,
        importance=package.importance(on.candidate.artifact, blobs=on.blobs) or (leans.shares() if leans else {}),
        scores=on.score if on.score.ndim == 1 else on.score.max(axis=1),
        score_times=on.times,
        quality={name: card.metrics[name].value for name in watched if name in card.metrics},
        quality_chunk_sd={name: spread_of_days(daily) for name, daily in marks.items()},
        quality_se={name: card.metrics[name].se * alike_of_days(daily) for name, daily in marks.items() if name in card.metrics},
        chunk=min((watch.every for watch in on.loop.watch if watch.check in _COUNTING), default=timedelta(days=1)),
        season=next((watch.season for watch in on.loop.watch if watch.season is not None), None),
        outcomes=_outcomes(on),
        outcome_times=on.frame["__time"].to_numpy().astype("datetime64[ms]"),
    )
    compared = replace(compared, beside=beside(on, {feature.name: feature.importance for feature in compared.features}))
    return with_estimates(on, compared) if watched else compared


def _outcomes(on: Materials) -> pl.Series:
    """What really happened to all rows: numbers, or the name of the class where there are many."""
    if on.task is not Task.MULTICLASS:
        return on.frame["__label"]
    return on.frame["__label"].replace_strict(dict(enumerate(on.features.classes)), return_dtype=pl.String)


def _marks_of_days(metric: str, on: Materials, days: np.ndarray) -> np.ndarray:
    """The metric on each held-out day where it can be computed, in order of time."""
    rows = [days == day for day in np.unique(days)]
    values = np.array([estimate(metric, on.y[kept], on.score[kept], task=on.task, given=on.given.at(kept)).value for kept in rows])
    return values[np.isfinite(values)]


def spread_of_days(marks: np.ndarray) -> float:
    """The deviation that a day is worth: that of the days' marks, times `alike_of_days`; NaN with fewer than three."""
    return float(np.std(marks, ddof=1)) * alike_of_days(marks) if len(marks) > 2 else float("nan")


def alike_of_days(marks: np.ndarray) -> float:
    """How many times as far a mean of days in a row strays as one of independent days: √(n / days worth an independent one)."""
    return float(np.sqrt(len(marks) / independent_rows(marks[:, None]))) if len(marks) > 2 else 1.0
