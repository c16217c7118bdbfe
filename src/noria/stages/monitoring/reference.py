"""What the world looked like when a version was made, and how much its days usually differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from noria.core.moments import spoken
from noria.core.schema import Field, Kind
from noria.core.watching import DriftReference
from noria.stages.monitoring.bins import Codes
from noria.stages.monitoring.chunk_limits import enough_rows
from noria.stages.monitoring.chunks import Chunks, chunk_numbers
from noria.stages.monitoring.describing import describe

OUTCOME = "outcome"
"""The name under which what really happened is watched."""


def build(
    frame: pl.DataFrame,
    features: Sequence[Field],
    *,
    importance: Mapping[str, float],
    scores: NDArray[np.float64] | None,
    score_times: ArrayLike | None,
    quality: Mapping[str, float],
    quality_chunk_sd: Mapping[str, float] | None = None,
    quality_se: Mapping[str, float] | None = None,
    chunk: timedelta = timedelta(days=1),
    season: timedelta | None = None,
    outcomes: pl.Series | None = None,
    outcome_times: ArrayLike | None = None,
    bins: int = 10,
) -> DriftReference:
    """Describe the rows that a version was trained on, chunk by chunk.

    Days are no independent draws of a quarter: weather is shared within a day. So each chunk is
    held against all the others, and what that gives is what "no drift" looks like. Features of
    kind time are left out, since a clock always drifts.

    Args:
        frame: `__time` and the raw features, one row per training row.
        importance: Feature to its share of the model's importance; a feature left out has none.
        scores: The model's answers on rows that it was not trained on, shape (rows,); for
            multi-class shape (rows, classes), of which the most likely class is kept.
        score_times: Moments of those rows, shape (rows,); None = no chunks.
        quality, quality_chunk_sd, quality_se: Metrics on those rows, their deviation between chunks, and their standard errors.
        chunk: Length of a chunk in event time; monitors should look at chunks of the same length.
        season: A whole number of chunks after which the world repeats itself; each phase of it is
            also described by itself.
        outcomes, outcome_times: What really happened (for multi-class the place of the class), and when.
        bins: Bins for numbers.
    """
    times = _of_times(frame["__time"].to_numpy(), frame.height, chunk, season)
    known = [
        describe(frame[field.name], times, kind=field.kind, bins=bins, importance=importance.get(field.name, 0.0))
        for field in features
        if field.kind is not Kind.TIME and not field.kind.whole
    ]
    answers = happened = None
    if scores is not None and len(scores):
        kind = Kind.TEXT if np.ndim(scores) == 2 else Kind.FLOAT
        answers = describe(answers_of(scores), _of_times(score_times, len(scores), chunk, season), kind=kind, bins=bins, importance=1.0)
    if outcomes is not None and len(outcomes):
        of_row = _of_times(outcome_times, len(outcomes), chunk, season)
        happened = describe(outcomes.alias(OUTCOME), of_row, kind=_kind(outcomes), bins=bins, importance=1.0)
    return DriftReference(
        chunk=spoken(chunk),
        rows=frame.height,
        features=tuple(known),
        score=answers,
        quality=dict(quality),
        quality_chunk_sd=dict(quality_chunk_sd or {}),
        quality_se=dict(quality_se or {}),
        outcome=happened,
        season="" if season is None else spoken(season),
    )


def answers_of(scores: ArrayLike) -> pl.Series:
    """Answers as one column: the numbers, or the most likely class as text."""
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim == 1:
        return pl.Series("prediction", values)
    whole = np.logical_and.reduce(np.isfinite(values), axis=1)
    likeliest = np.where(whole[:, None], values, 0.0).argmax(axis=1)
    return pl.Series("prediction", likeliest).cast(pl.String).set(pl.Series(~whole), None)


def chunks_of(times: ArrayLike, chunk: timedelta) -> Codes:
    """Number the chunk of each moment, shape (rows,), in order of time from 0; chunks without rows have no number."""
    return np.unique(chunk_numbers(times, chunk), return_inverse=True)[1]


def usual_chunks(chunks: Codes) -> NDArray[np.bool_]:
    """Which chunks have rows enough to be calibrated on, shape (chunks,)."""
    return enough_rows(np.bincount(chunks))


def _of_times(times: ArrayLike | None, rows: int, chunk: timedelta, season: timedelta | None) -> Chunks:
    return Chunks.one(rows) if times is None else Chunks.of(times, chunk, season)


def _kind(outcomes: pl.Series) -> Kind:
    if outcomes.dtype == pl.String:
        return Kind.TEXT
    return Kind.INT if outcomes.dtype.is_integer() or outcomes.dtype == pl.Boolean else Kind.FLOAT
