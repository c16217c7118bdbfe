"""What the world looked like when a version was made, and how much its days usually differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from noria.core.moments import spoken
from noria.core.schema import Field, Kind
from noria.core.watching import DriftReference, FeatureReference
from noria.stages.monitoring.bins import Codes, categories_of, codes_of, edges_of, numbers_of, size_of
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS, independent_rows, upper_limit
from noria.stages.monitoring.stability import chance_limit, debiased_psi

SMALLEST_CHUNK = 50
"""Rows of a chunk that is worth calibrating on (and half of the median chunk's rows)."""


def build(
    frame: pl.DataFrame,
    features: Sequence[Field],
    *,
    importance: Mapping[str, float],
    scores: NDArray[np.float64] | None,
    score_times: ArrayLike | None,
    quality: Mapping[str, float],
    quality_chunk_sd: Mapping[str, float] | None = None,
    chunk: timedelta = timedelta(days=1),
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
        quality, quality_chunk_sd: Metrics on those rows, and their deviation between chunks.
        chunk: Length of a chunk in event time; monitors should look at chunks of the same length.
        bins: Bins for numbers.
    """
    times = chunks_of(frame["__time"].to_numpy(), chunk)
    known = [
        _describe(frame[field.name], times, text=field.kind is Kind.TEXT, bins=bins, importance=importance.get(field.name, 0.0))
        for field in features
        if field.kind is not Kind.TIME
    ]
    answers = None
    if scores is not None and len(scores):
        moments = np.zeros(len(scores), dtype=np.intp) if score_times is None else chunks_of(score_times, chunk)
        answers = _describe(answers_of(scores), moments, text=np.ndim(scores) == 2, bins=bins, importance=1.0)
    return DriftReference(
        chunk=spoken(chunk),
        rows=frame.height,
        features=tuple(known),
        score=answers,
        quality=dict(quality),
        quality_chunk_sd=dict(quality_chunk_sd or {}),
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
    moments = np.asarray(times).astype("datetime64[ms]").astype(np.int64)
    return np.unique(moments // max(round(chunk.total_seconds() * 1000), 1), return_inverse=True)[1]


def usual_chunks(chunks: Codes) -> NDArray[np.bool_]:
    """Which chunks have rows enough to be calibrated on, shape (chunks,)."""
    return _enough(np.bincount(chunks))


def _enough(rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    return rows >= max(SMALLEST_CHUNK, float(np.median(rows)) / 2) if len(rows) else np.zeros(0, dtype=np.bool_)


def _describe(values: pl.Series, chunks: Codes, *, text: bool, bins: int, importance: float) -> FeatureReference:
    edges = () if text else edges_of(numbers_of(values), bins)
    categories = categories_of(values) if text else ()
    size = size_of(edges=edges, categories=categories)
    codes = codes_of(values, edges=edges, categories=categories)
    table = np.bincount(chunks * size + codes, minlength=(int(chunks.max(initial=-1)) + 1) * size).reshape(-1, size)
    counts, rows = table.sum(axis=0), table.sum(axis=1)
    usual = table[_enough(rows)]
    drift = debiased_psi(counts - usual, usual)
    calibrated = len(usual) >= FEWEST_CHUNKS
    worth = independent(usual) if calibrated else 0.0
    typical = int(np.median(rows)) if len(rows) else 0
    return FeatureReference(
        name=values.name,
        edges=edges,
        categories=categories,
        counts=tuple(int(count) for count in counts),
        threshold=upper_limit(drift, worth) if calibrated else chance_limit(counts, typical),
        chunk_mean=float(drift.mean()) if calibrated else 0.0,
        chunk_sd=float(drift.std(ddof=1)) if calibrated else 0.0,
        chunks=len(usual) if calibrated else 0,
        importance=importance,
        missing_limit=upper_limit(usual[:, -1] / usual.sum(axis=1), worth) if calibrated else float(counts[-1] / max(counts.sum(), 1)),
    )


def independent(table: NDArray[np.intp]) -> float:
    """Count the chunks in a row of chunks that are worth an independent one each, by their distribution functions.

    Args:
        table: Counts, shape (chunks, bins), in order of time.
    """
    return independent_rows(np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True))
