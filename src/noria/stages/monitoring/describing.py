"""Describes one feature as the reference has it: bins, counts, and the limits that its own chunks calibrate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.schema import Kind
from noria.core.watching import Extent, FeatureReference, Seasonal
from noria.stages.monitoring import cardinality
from noria.stages.monitoring.bins import Codes, categories_of, codes_of, edges_of, numbers_of, size_of
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS, enough_rows, independent_rows, robust_limit, share_limit, upper_limit
from noria.stages.monitoring.effects import OF_NUMBERS, STATISTICS, effect
from noria.stages.monitoring.grid import TOLERANCE
from noria.stages.monitoring.parsing import misfits
from noria.stages.monitoring.stability import chance_limit

KNOWN = 1_000
"""Most texts of the reference that are kept to tell the unseen from; what is rarer counts as unseen, there as here."""

FEWEST_OF_PHASE = 4
"""Chunks of one phase that it needs to be compared with itself."""

Table = NDArray[np.int64]
Numbers = NDArray[np.float64]


def independent(table: Table) -> float:
    """Count the chunks in a row of chunks that are worth an independent one each, by their distribution functions.

    Args:
        table: Counts, shape (chunks, bins), in order of time.
    """
    return independent_rows(np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunks:
    """Which chunk each row of the reference belongs to.

    Attributes:
        of_row: Number of its chunk, shape (rows,); chunks are numbered in order of time.
        phases: Phase of each chunk in its season, shape (chunks,); empty = no season.
        season: How many phases there are; 0 = no season.
    """

    of_row: Codes
    phases: NDArray[np.int64]
    season: int = 0

    @property
    def many(self) -> int:
        """How many chunks there are."""
        return int(self.of_row.max(initial=-1)) + 1

    def sums(self, of_row: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many rows of each chunk are marked."""
        return np.bincount(self.of_row[of_row], minlength=self.many)


def describe(values: pl.Series, chunks: Chunks, *, kind: Kind, bins: int, importance: float) -> FeatureReference:
    """Describe one column, chunk by chunk."""
    text = kind is Kind.TEXT
    numbers = np.empty(0) if text else numbers_of(values)
    edges = () if text else edges_of(numbers, bins)
    categories = categories_of(values) if text else ()
    size = size_of(edges=edges, categories=categories)
    codes = codes_of(values, edges=edges, categories=categories)
    table = np.bincount(chunks.of_row * size + codes, minlength=chunks.many * size).reshape(-1, size)
    counts, rows = table.sum(axis=0), table.sum(axis=1)
    usual = enough_rows(rows)
    calibrated = np.count_nonzero(usual) >= FEWEST_CHUNKS
    worth = independent(table[usual]) if calibrated else 0.0
    known = FeatureReference(
        name=values.name,
        edges=edges,
        categories=categories,
        counts=tuple(int(count) for count in counts),
        threshold=chance_limit(counts, int(np.median(rows)) if len(rows) else 0),
        chunk_mean=0.0,
        chunk_sd=0.0,
        chunks=int(np.count_nonzero(usual)) if calibrated else 0,
        importance=importance,
        missing_limit=float(counts[-1] / max(counts.sum(), 1)),
        kind=kind,
        extent=_extent(numbers, edges, codes) if edges else None,
    )
    if calibrated:
        known = _calibrated(known, table[usual], worth)
        if chunks.season:
            known = replace(known, seasonal=_seasonal(known, table[usual], chunks.phases[usual], chunks.season, worth))
    return _watched(known, values, numbers, chunks, usual, worth if calibrated else 0.0)


def _extent(numbers: Numbers, edges: Sequence[float], codes: Codes) -> Extent:
    """Range, spread and the means of the bins."""
    finite, size = np.isfinite(numbers), len(edges) + 1
    there = numbers[finite]
    held = np.bincount(codes[finite], minlength=size)
    sums = np.bincount(codes[finite], weights=there, minlength=size)
    middles = np.concatenate([edges[:1], (np.array(edges[1:]) + np.array(edges[:-1])) / 2, edges[-1:]])
    centres = np.maximum.accumulate(np.where(held > 0, sums / np.maximum(held, 1), middles))
    return Extent(low=float(there.min()), high=float(there.max()), spread=float(there.std()), centres=tuple(centres.tolist()))


def _calibrated(feature: FeatureReference, table: Table, worth: float) -> FeatureReference:
    """Each statistic's limit, from each chunk held against all the others."""
    rest = table.sum(axis=0) - table
    found = {name: _effect(name, feature, rest, table) for name in _statistics(feature)}
    drift = found["psi"]
    return replace(
        feature,
        threshold=upper_limit(drift, worth),
        chunk_mean=float(drift.mean()),
        chunk_sd=float(drift.std(ddof=1)),
        missing_limit=upper_limit(table[:, -1] / table.sum(axis=1), worth),
        limits={name: upper_limit(values, worth) for name, values in found.items() if name != "psi"},
    )


def _statistics(feature: FeatureReference) -> Sequence[str]:
    return [name for name in STATISTICS if feature.edges or name not in OF_NUMBERS]


def _effect(statistic: str, feature: FeatureReference, reference: Table, chunk: Table) -> Numbers:
    where = feature.extent
    return effect(statistic, reference, chunk, centres=where.centres if where else (), spread=where.spread if where else 1.0)


def _seasonal(feature: FeatureReference, table: Table, phases: NDArray[np.int64], season: int, worth: float) -> Seasonal | None:
    """Counts per phase, and limits from each chunk held against the others of its own phase."""
    sums = np.zeros((season, table.shape[1]), dtype=np.int64)
    np.add.at(sums, phases, table)
    enough = np.bincount(phases, minlength=season) >= FEWEST_OF_PHASE
    inside = enough[phases]
    if np.count_nonzero(inside) < FEWEST_CHUNKS:
        return None
    own, rest = table[inside], sums[phases[inside]] - table[inside]
    worth = min(worth, float(len(own)))
    return Seasonal(
        counts=tuple(tuple(int(n) for n in row) if some else () for row, some in zip(sums, enough, strict=True)),
        limits={name: robust_limit(_effect(name, feature, rest, own), worth) for name in _statistics(feature)},
    )


def _watched(
    feature: FeatureReference, values: pl.Series, numbers: Numbers, chunks: Chunks, usual: NDArray[np.bool_], worth: float
) -> FeatureReference:
    """What is usual for the monitors of data quality, and their limits; `worth` is 0 when nothing calibrates them."""
    rows = np.bincount(chunks.of_row, minlength=chunks.many)
    found = {"type": chunks.sums(misfits(values, feature.kind))}
    known: tuple[str, ...] = ()
    if feature.extent is not None:
        found["range"] = _beyond(numbers, chunks, TOLERANCE * (feature.extent.high - feature.extent.low))
    elif feature.kind == Kind.TEXT:
        known = categories_of(values, most=KNOWN)
        found["unseen"] = _strangers(values, known, chunks)
    shares = {name: float(hits.sum() / max(rows.sum(), 1)) for name, hits in found.items()}
    limits = {name: upper_limit(hits[usual] / rows[usual], worth) for name, hits in found.items()} if worth else {}
    if not worth:
        typical = int(np.median(rows)) if len(rows) else 0
        limits = {name: share_limit(share, int(rows.sum()), typical) for name, share in shares.items()}
    return _counted(replace(feature, known=known, usual=shares, limits={**feature.limits, **limits}), values, chunks, usual, worth)


def _counted(feature: FeatureReference, values: pl.Series, chunks: Chunks, usual: NDArray[np.bool_], worth: float) -> FeatureReference:
    """The curve of different values, and how far chunks lie from it."""
    table = pl.DataFrame({"chunk": chunks.of_row, "value": values}).drop_nulls("value")
    curve = cardinality.curve_of(table["value"].value_counts(name="rows")["rows"].to_numpy().astype(np.int64))
    if not worth:
        return replace(feature, distinct=curve)
    per_chunk = table.group_by("chunk").agg(pl.col("value").n_unique().alias("different"), pl.len().alias("rows"))
    per_chunk = per_chunk.filter(pl.Series(usual[per_chunk["chunk"].to_numpy()]))
    ratios = np.array(
        [np.log2(different / cardinality.expected(curve, rows)) for different, rows in per_chunk.select("different", "rows").iter_rows()]
    )
    if len(ratios) < 2:
        return replace(feature, distinct=curve)
    middle = float(ratios.mean())
    return replace(
        feature,
        distinct=curve,
        usual={**feature.usual, "cardinality": middle},
        limits={**feature.limits, "cardinality": upper_limit(np.abs(ratios - middle), worth)},
    )


def _beyond(numbers: Numbers, chunks: Chunks, slack: float) -> NDArray[np.int64]:
    """How many numbers of each chunk lie outside the range of all the other chunks, with the tolerance."""
    low, high = np.full(chunks.many, np.inf), np.full(chunks.many, -np.inf)
    finite = np.isfinite(numbers)
    np.minimum.at(low, chunks.of_row[finite], numbers[finite])
    np.maximum.at(high, chunks.of_row[finite], numbers[finite])
    if chunks.many < 2:
        return np.zeros(chunks.many, dtype=np.int64)
    lowest, highest = int(np.argmin(low)), int(np.argmax(high))
    below = (chunks.of_row == lowest) & (numbers < np.partition(low, 1)[1] - slack)
    above = (chunks.of_row == highest) & (numbers > np.partition(high, -2)[-2] + slack)
    return chunks.sums(below | above)


def _strangers(values: pl.Series, known: Sequence[str], chunks: Chunks) -> NDArray[np.int64]:
    """How many texts of each chunk no other chunk has, or are too rare to be known."""
    table = pl.DataFrame({"chunk": chunks.of_row, "text": values.cast(pl.String)}).drop_nulls("text")
    alone = table.group_by("text").agg(pl.col("chunk").n_unique().alias("chunks"))
    strange = alone.filter((pl.col("chunks") == 1) | ~pl.col("text").is_in(list(known)))["text"]
    hits = table.filter(pl.col("text").is_in(strange.implode()))["chunk"].to_numpy()
    return np.bincount(hits, minlength=chunks.many) if chunks.many > 1 else np.zeros(chunks.many, dtype=np.int64)
