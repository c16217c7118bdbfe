"""Describes one feature as the reference has it: bins, counts, and the limits that its own chunks calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.declaration.watch import STATISTICS
from noria.core.schema import Kind
from noria.core.watching import FeatureReference, Seasonal
from noria.stages.monitoring import cardinality
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS, enough_rows, independent_rows, robust_limit, share_limit, upper_limit
from noria.stages.monitoring.chunks import Chunks
from noria.stages.monitoring.column import Column, column_of
from noria.stages.monitoring.effects import OF_NUMBERS, by_chance, effect, less_chance, root
from noria.stages.monitoring.stability import chance_limit

FEWEST_OF_PHASE = 4
"""Chunks of one phase that it needs to be compared with itself."""

Table = NDArray[np.int64]
Numbers = NDArray[np.float64]


def describe(values: pl.Series, chunks: Chunks, *, kind: Kind, bins: int, importance: float) -> FeatureReference:
    """Describe one column, chunk by chunk."""
    values = chunks.ordered(values)
    found = column_of(values, chunks, kind=kind, bins=bins)
    counts, rows = found.table.sum(axis=0), chunks.rows
    usual = enough_rows(rows)
    calibrated = np.count_nonzero(usual) >= FEWEST_CHUNKS
    worth = independent(found.table[usual]) if calibrated else 0.0
    feature = FeatureReference(
        name=values.name,
        edges=found.edges,
        categories=found.categories,
        counts=tuple(int(count) for count in counts),
        threshold=chance_limit(counts, int(np.median(rows)) if len(rows) else 0),
        chunk_mean=0.0,
        chunk_sd=0.0,
        chunks=int(np.count_nonzero(usual)) if calibrated else 0,
        importance=importance,
        missing_limit=float(counts[-1] / max(counts.sum(), 1)),
        kind=kind,
        extent=found.extent,
        known=found.known,
        distinct=cardinality.curve_of(found.times),
    )
    if calibrated:
        feature = _calibrated(feature, found.table[usual], worth)
        if chunks.season:
            feature = replace(feature, seasonal=_seasonal(feature, found.table[usual], chunks.phases[usual], chunks.season, worth))
    return _varied(_watched(feature, found.hits, rows, usual, worth), found, usual, worth)


def independent(table: Table) -> float:
    """Count the chunks in a row of chunks that are worth an independent one each, by their distribution functions.

    Args:
        table: Counts, shape (chunks, bins), in order of time.
    """
    return independent_rows(np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True))


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
        limits={name: _robust(name, feature, rest, own, worth) for name in _statistics(feature)},
    )


def _robust(statistic: str, feature: FeatureReference, reference: Table, chunk: Table, worth: float) -> float:
    """A robust limit, taken where the noise is the same everywhere: half of all small effects would else be zero."""
    before, now = reference.astype(np.float64), chunk.astype(np.float64)
    where = feature.extent
    roots = root(statistic, before, now, centres=where.centres if where else (), spread=where.spread if where else 1.0)
    chance = by_chance(statistic, before, now).mean()
    return float(less_chance(statistic, np.asarray(robust_limit(roots, worth)), float(chance)))


def _watched(feature: FeatureReference, hits: Mapping[str, Table], rows: Table, usual: NDArray[np.bool_], worth: float) -> FeatureReference:
    """What is usual for the monitors of data quality, and their limits; `worth` is 0 when nothing calibrates them."""
    shares = {name: float(found.sum() / max(rows.sum(), 1)) for name, found in hits.items()}
    if worth:
        limits = {name: upper_limit(found[usual] / rows[usual], worth) for name, found in hits.items()}
    else:
        typical = int(np.median(rows)) if len(rows) else 0
        limits = {name: share_limit(share, int(rows.sum()), typical) for name, share in shares.items()}
    return replace(feature, usual=shares, limits={**feature.limits, **limits})


def _varied(feature: FeatureReference, found: Column, usual: NDArray[np.bool_], worth: float) -> FeatureReference:
    """How far the chunks' numbers of different values lie from the curve."""
    there = found.table[:, :-1].sum(axis=1)
    some = usual & (there > 0) & (found.different > 0)
    if not worth or np.count_nonzero(some) < FEWEST_CHUNKS:
        return feature
    expected = np.array([cardinality.expected(feature.distinct, rows) for rows in there[some]])
    ratios = np.log2(found.different[some] / expected)
    middle = float(ratios.mean())
    return replace(
        feature,
        usual={**feature.usual, "cardinality": middle},
        limits={**feature.limits, "cardinality": upper_limit(np.abs(ratios - middle), worth)},
    )
