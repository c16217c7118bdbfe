"""Drift of each column: of the whole against what chance does, or chunk by chunk against how chunks of the reference differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import log10

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from noria.core.moments import from_ms
from noria.core.schema import Field, Kind
from noria.core.watching import DriftReference, FeatureReference, Level, Reading
from noria.stages.monitoring import data_quality, drift
from noria.stages.monitoring.bins import categories_of, codes_of
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS
from noria.stages.monitoring.counting import count_chunk
from noria.stages.monitoring.reading import Look
from noria.stages.monitoring.reference import build
from noria.stages.monitoring.stability import debiased_psi

FAMILY = 0.01
"""Chance that any column of a check is found to have drifted when none did, with independent rows."""

K, M = 3, 5
"""A column has drifted when so many of M chunks in a row are beyond their limit; of fewer chunks, the same share."""

CHUNKS = (timedelta(days=1), timedelta(days=7), timedelta(hours=1))
"""Lengths that are tried when none is named: a day has its hours in it, a week its days."""

FROM_NOWHERE = pl.lit(0).cast(pl.Datetime("ms", "UTC"))
"""The moment of every row of a table without a time: all of it is one chunk."""

_CHUNK, _TIME = "__chunk", "__time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """What was measured of all columns.

    Attributes:
        readings: By monitor and column: of the whole, or one for each chunk, oldest first.
        small: Columns that differ surely, but by less than matters.
    """

    readings: Mapping[tuple[str, str], tuple[Reading, ...]]
    chunk: timedelta | None = None
    chunks: int = 0
    small: frozenset[str] = frozenset()


def wholes(before: pl.DataFrame, now: pl.DataFrame, fields: Sequence[Field], *, floor: float, min_rows: int, at: datetime) -> Drifted:
    """Hold the tables against each other as wholes: rows are taken as independent."""
    reference = _reference(before.with_columns(FROM_NOWHERE.alias(_TIME)), fields, timedelta(days=1))
    reference = replace(reference, features=tuple(_honest(feature, before) for feature in reference.features))
    counts = {feature.name: feature.counts for feature in reference.features}
    sure = 1 - FAMILY / max(len(counts), 1)
    readings: dict[tuple[str, str], tuple[Reading, ...]] = {}
    small = set()
    for one in drift.measure(reference, now, loop="", at=at, floor=floor, min_rows=min_rows):
        reading = one
        if one.monitor == "drift":
            chance = null_limit(counts[one.subject], one.rows, level=sure)
            reading = _held_to(one, max(one.threshold, chance))
            if reading.level is Level.OK and one.value > chance:
                small.add(one.subject)
        readings[one.monitor, one.subject] = (reading,)
    return Drifted(readings=readings, small=frozenset(small))


def by_chunk(
    before: pl.DataFrame,
    now: pl.DataFrame,
    fields: Sequence[Field],
    *,
    time: str,
    chunk: timedelta,
    floor: float,
    min_rows: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Drifted | None:
    """Calibrate on the reference's chunks and judge the current ones; None when there are too few to calibrate on."""
    reference = _reference(before.with_columns(pl.col(time).alias(_TIME)), fields, chunk)
    chunks = max((feature.chunks for feature in reference.features), default=0)
    if chunks < FEWEST_CHUNKS:
        return None
    readings: dict[tuple[str, str], list[Reading]] = {}
    parts = numbered(now, time, chunk)
    for done, (end, part) in enumerate(parts):
        progress(done, len(parts))
        counts, look = count_chunk(reference, part), Look(loop="", at=end, min_rows=min_rows)
        measured = drift.readings(reference, counts, look, floor=floor)
        for one in (*measured, *data_quality.readings(reference, counts, look, monitors=("range", "unseen"))):
            readings.setdefault((one.monitor, one.subject), []).append(one)
    return Drifted(readings={key: tuple(series) for key, series in readings.items()}, chunk=chunk, chunks=chunks)


def numbered(now: pl.DataFrame, time: str, chunk: timedelta) -> list[tuple[datetime, pl.DataFrame]]:
    """The rows of each chunk with the moment at which it ends, oldest first."""
    parts = now.with_columns(_number(time, chunk)).sort(_CHUNK).partition_by(_CHUNK, maintain_order=True)
    return [(from_ms((int(part[_CHUNK][0]) + 1) * _ms(chunk)), part) for part in parts]


def chunk_for(before: pl.DataFrame, time: str, min_rows: int) -> timedelta | None:
    """The first of `CHUNKS` that the reference has enough full ones of; None when no length has."""
    for chunk in CHUNKS:
        rows = before.select(_number(time, chunk)).group_by(_CHUNK).len()["len"]
        if int((rows >= min_rows).sum()) >= FEWEST_CHUNKS:
            return chunk
    return None


def persists(series: Sequence[Reading]) -> bool:
    """Whether K of some M neighbouring judged chunks are beyond their limit; with fewer than M, the same share of them."""
    breaches = [one.level is Level.BREACH for one in series if one.level is not Level.NOT_ENOUGH]
    if not breaches:
        return False
    span = min(M, len(breaches))
    needed = -(-K * span // M)
    return any(sum(breaches[start : start + span]) >= needed for start in range(len(breaches) - span + 1))


def typical(series: Sequence[Reading]) -> Reading:
    """The reading that speaks for a series: the one in the middle of its breaches where they persist, else of all that were judged."""
    judged = [one for one in series if one.level is not Level.NOT_ENOUGH] or list(series)
    if persists(series):
        judged = [one for one in judged if one.level is Level.BREACH]
    return sorted(judged, key=lambda one: (one.effect, one.time))[len(judged) // 2]


def _honest(feature: FeatureReference, before: pl.DataFrame, seed: int = 0) -> FeatureReference:
    """The feature with its texts chosen on one half of the rows and counted on the other.

    Of thousands of names, those that were most frequent were so by luck as well, and would look rarer ever after.
    """
    column = before[feature.name]
    if not feature.categories or column.n_unique() <= len(feature.categories) + 1:
        return feature
    chosen = np.random.default_rng(seed).random(column.len()) < 0.5
    categories = categories_of(column.filter(chosen))
    codes = codes_of(column.filter(~chosen), edges=(), categories=categories)
    counts = np.bincount(codes, minlength=len(categories) + 2)
    return replace(feature, categories=categories, counts=tuple(int(count) for count in counts), threshold=0.0)


def null_limit(counts: ArrayLike, rows: int, *, level: float, draws: int = 2_000, seed: int = 0) -> float:
    """The debiased PSI that `rows` independent rows of the reference's own world stay below with probability `level`.

    By simulation, since with few rows the bins at the ends hold next to none, and no formula knows what
    that does far out in the tail: shares are drawn from what the reference's counts leave open
    (Dirichlet, one row more in each bin), rows from the shares. Beyond the 99th percentile the tail
    goes on by as much for each factor of ten as it did from the 90th, which is what exponential tails do.
    """
    found = np.asarray(counts, dtype=np.float64)
    if rows < 1 or found.sum() < 1:
        return 0.0
    dice = np.random.default_rng(seed)
    shares = dice.dirichlet(found + 1, size=draws)
    values = debiased_psi(found, dice.multinomial(rows, shares))
    often, seldom = np.quantile(values, (0.9, 0.99))
    return float(seldom + (seldom - often) * max(0.0, log10(0.01 / (1 - level))))


def _reference(rows: pl.DataFrame, fields: Sequence[Field], chunk: timedelta) -> DriftReference:
    judged = [field for field in fields if field.kind is not Kind.TIME]
    return build(rows, judged, importance={}, scores=None, score_times=None, quality={}, chunk=chunk)


def _held_to(reading: Reading, limit: float) -> Reading:
    """The reading under a wider limit."""
    if reading.level is Level.NOT_ENOUGH:
        return replace(reading, threshold=limit)
    breach = reading.value > limit
    return replace(
        reading,
        threshold=limit,
        level=Level.BREACH if breach else Level.OK,
        effect=reading.value / limit - 1 if limit > 0 else 0.0,
        note=reading.note if breach else "",
    )


def _number(time: str, chunk: timedelta) -> pl.Expr:
    return (pl.col(time).cast(pl.Datetime("ms", "UTC")).to_physical() // _ms(chunk)).alias(_CHUNK)


def _ms(chunk: timedelta) -> int:
    return max(round(chunk.total_seconds() * 1000), 1)
