"""Holds one chunk of traffic against the reference, feature by feature."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.watching import DriftReference, FeatureReference, Level, Reading
from noria.stages.monitoring.bins import codes_of
from noria.stages.monitoring.reference import answers_of
from noria.stages.monitoring.stability import chance_limit, debiased_psi

MISSING_FLOOR = 0.02
"""Share of missing values that is never worth an alert."""

Counts = NDArray[np.intp]


def measure(
    reference: DriftReference,
    chunk: pl.DataFrame,
    *,
    loop: str,
    at: datetime,
    floor: float = 0.1,
    min_rows: int = 250,
    scores: NDArray[np.float64] | None = None,
) -> list[Reading]:
    """Read each feature's drift and missing values, and the drift of the answers.

    The value is the debiased PSI; its limit is the largest of `floor` (a drift too small to
    matter), the limit calibrated on the reference's chunks, and what chance alone does to a chunk
    of so few rows. Missing shares have a limit made in the same way.

    Args:
        chunk: One row per request, one column per feature; a column that is not there is all missing.
        at: End of the chunk.
        min_rows: With fewer rows the answer is "not enough data".
        scores: The champion's answers, shape (rows,) or (rows, classes); None = no reading of them.
    """
    readings = []
    for feature in reference.features:
        column = chunk[feature.name] if feature.name in chunk.columns else pl.Series(feature.name, [None] * chunk.height, dtype=pl.Float64)
        counts = _count(feature, column)
        readings.append(_drift("drift", feature, counts, loop=loop, at=at, floor=floor, min_rows=min_rows))
        readings.append(_missing(feature, counts, loop=loop, at=at, min_rows=min_rows))
    if scores is not None and reference.score is not None:
        counts = _count(reference.score, answers_of(scores))
        readings.append(_drift("prediction-drift", reference.score, counts, loop=loop, at=at, floor=floor, min_rows=min_rows))
    return readings


def _count(feature: FeatureReference, column: pl.Series) -> Counts:
    codes = codes_of(column, edges=feature.edges, categories=feature.categories)
    return np.bincount(codes, minlength=len(feature.counts))


def _drift(monitor: str, feature: FeatureReference, counts: Counts, *, loop: str, at: datetime, floor: float, min_rows: int) -> Reading:
    rows = int(counts.sum())
    value = float(debiased_psi(feature.counts, counts)) if rows else float("nan")
    limit = max(floor, feature.threshold, chance_limit(feature.counts, rows))
    return _reading(monitor, feature, value, limit, rows, loop=loop, at=at, min_rows=min_rows, note=moved(feature, counts))


def _missing(feature: FeatureReference, counts: Counts, *, loop: str, at: datetime, min_rows: int) -> Reading:
    rows = int(counts.sum())
    share = float(counts[-1]) / rows if rows else float("nan")
    usual = feature.counts[-1] / max(sum(feature.counts), 1)
    chance = usual + 3 * float(np.sqrt(usual * (1 - usual) / max(rows, 1)))
    limit = max(MISSING_FLOOR, feature.missing_limit, chance)
    note = f"{share:.0%} missing, {usual:.0%} in the reference" if rows else ""
    return _reading("missing", feature, share, limit, rows, loop=loop, at=at, min_rows=min_rows, note=note)


def _reading(
    monitor: str, feature: FeatureReference, value: float, limit: float, rows: int, *, loop: str, at: datetime, min_rows: int, note: str
) -> Reading:
    enough = rows >= max(min_rows, 1)
    breach = enough and value > limit
    return Reading(
        loop=loop,
        monitor=monitor,
        subject=feature.name,
        time=at,
        value=value,
        threshold=limit,
        level=Level.BREACH if breach else Level.OK if enough else Level.NOT_ENOUGH,
        rows=rows,
        effect=value / limit - 1 if enough and limit > 0 else 0.0,
        note=note if breach else "" if enough else f"{rows:,} rows; {min_rows:,} are needed",
    )


def moved(feature: FeatureReference, counts: Counts) -> str:
    """Say in words where the rows went: the split, category or gap that changed most."""
    rows, before = int(counts.sum()), np.asarray(feature.counts, dtype=np.float64)
    if rows == 0 or before.sum() == 0:
        return ""
    p, q = before / before.sum(), counts / rows
    if feature.categories or not feature.edges:
        most = int(np.argmax(np.abs(q - p)))
        names = (*(repr(name) for name in feature.categories), "another value", "missing")[-len(p) :]
        return f"{q[most]:.0%} of rows are {names[most]}, {p[most]:.0%} in the reference"
    above_before, above = (np.cumsum(share[-2::-1])[-2::-1] for share in (p, q))
    most = int(np.argmax(np.abs(above - above_before)))
    if abs(q[-1] - p[-1]) > abs(above[most] - above_before[most]):
        return f"{q[-1]:.0%} of rows are missing, {p[-1]:.0%} in the reference"
    edge = feature.edges[most]
    if above[most] > above_before[most]:
        return f"{above[most]:.0%} of rows at {edge:.4g} or above, {above_before[most]:.0%} in the reference"
    return f"{1 - above[most] - q[-1]:.0%} of rows below {edge:.4g}, {1 - above_before[most] - p[-1]:.0%} in the reference"
