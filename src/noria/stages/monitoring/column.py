"""One pass over a column of the reference: its bins, its counts per chunk, and what would have surprised in each chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.schema import Kind
from noria.core.watching import Extent
from noria.stages.monitoring.bins import categories_of, codes_of, edges_of_runs, numbers_of, size_of
from noria.stages.monitoring.chunks import Chunks
from noria.stages.monitoring.counting import edge_counts, places_of
from noria.stages.monitoring.grid import TOLERANCE
from noria.stages.monitoring.parsing import may_misfit, misfits

KNOWN = 1_000
"""Most texts of the reference that are kept to tell the unseen from; what is rarer counts as unseen, there as here."""

_WORTH_COMPARING = 4_096
"""Rows of a chunk from which on comparing them with each edge beats a search for each."""

Table = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """What one pass over a column gives.

    Attributes:
        table: Counts, shape (chunks, bins), in the order of `FeatureReference.counts`.
        times: Rows of each different value, in any order.
        different: How many different values each chunk has, shape (chunks,).
        hits: Monitor to how many rows of each chunk it would tell of.
    """

    table: Table
    times: Table
    different: Table
    hits: Mapping[str, Table]
    edges: tuple[float, ...] = ()
    extent: Extent | None = None
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def column_of(values: pl.Series, chunks: Chunks, *, kind: Kind, bins: int) -> Column:
    """Look through one column, its rows in order of time."""
    odd = chunks.sums(misfits(values, kind)) if may_misfit(values.dtype, kind) else np.zeros_like(chunks.rows)
    return _texts(values, chunks, odd) if kind is Kind.TEXT else _numbers(values, chunks, bins, odd)


def _numbers(values: pl.Series, chunks: Chunks, bins: int, odd: Table) -> Column:
    numbers = numbers_of(values)
    finite = np.isfinite(numbers)
    ordered = pl.Series(numbers if finite.all() else numbers[finite]).sort().to_numpy()
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1)) if len(ordered) else np.zeros(0, dtype=np.intp)
    times = np.diff(first, append=len(ordered))
    edges = edges_of_runs(ordered[first], times, bins)
    extent = _extent(ordered, edges) if edges else None
    return Column(
        table=_table(values, numbers, edges, chunks),
        times=times,
        different=_different(values, chunks),
        hits={"type": odd} | ({"range": _beyond(numbers, finite, chunks, TOLERANCE * (extent.high - extent.low))} if extent else {}),
        edges=edges,
        extent=extent,
    )


def _texts(values: pl.Series, chunks: Chunks, odd: Table) -> Column:
    categories, known = categories_of(values), categories_of(values, most=KNOWN)
    size = size_of(edges=(), categories=categories)
    pairs = pl.DataFrame({"chunk": chunks.of_row, "text": values.cast(pl.String)}).group_by("chunk", "text").agg(pl.len().alias("own"))
    gone = pairs.filter(pl.col("text").is_null())
    pairs = pairs.filter(pl.col("text").is_not_null())
    chunk, own = pairs["chunk"].to_numpy(), pairs["own"].to_numpy().astype(np.int64)
    table = np.zeros((chunks.many, size), dtype=np.int64)
    np.add.at(table, (chunk, places_of(pairs["text"], categories)), own)
    table[gone["chunk"].to_numpy(), -1] = gone["own"].to_numpy()
    return Column(
        table=table,
        times=pairs.group_by("text").agg(pl.col("own").sum())["own"].to_numpy().astype(np.int64),
        different=np.bincount(chunk, minlength=chunks.many),
        hits={"type": odd, "unseen": _strangers(pairs, known, chunks.many)},
        categories=categories,
        known=known,
    )


def _table(values: pl.Series, numbers: Numbers, edges: tuple[float, ...], chunks: Chunks) -> Table:
    """Counts, shape (chunks, bins): by comparing where chunks are large, by searching where they are small."""
    if edges and chunks.many and len(numbers) >= _WORTH_COMPARING * chunks.many:
        cut = np.asarray(edges)
        return np.stack([edge_counts(part, cut) for part in np.split(numbers, chunks.starts[1:-1])])
    size = size_of(edges=edges, categories=())
    codes = codes_of(values, edges=edges, categories=())
    return np.bincount(chunks.of_row * size + codes, minlength=chunks.many * size).reshape(-1, size)


def _different(values: pl.Series, chunks: Chunks) -> Table:
    table = pl.DataFrame({"chunk": chunks.of_row, "value": values}).drop_nulls("value")
    found = table.group_by("chunk").agg(pl.col("value").n_unique().alias("different"))
    return np.bincount(found["chunk"].to_numpy(), weights=found["different"].to_numpy(), minlength=chunks.many).astype(np.int64)


def _extent(ordered: Numbers, edges: Sequence[float]) -> Extent:
    """Range, spread and the means of the bins, from numbers in ascending order."""
    bounds = np.concatenate([[0], np.searchsorted(ordered, edges), [len(ordered)]])
    held = np.diff(bounds)
    centres = np.concatenate([edges[:1], (np.array(edges[1:]) + np.array(edges[:-1])) / 2, edges[-1:]])
    centres[held > 0] = np.add.reduceat(ordered, bounds[:-1][held > 0]) / held[held > 0]
    return Extent(
        low=float(ordered[0]), high=float(ordered[-1]), spread=float(ordered.std()), centres=tuple(np.maximum.accumulate(centres).tolist())
    )


def _beyond(numbers: Numbers, finite: NDArray[np.bool_], chunks: Chunks, slack: float) -> Table:
    """How many numbers of each chunk lie outside the range of all the other chunks, with the tolerance."""
    if chunks.many < 2:
        return np.zeros(chunks.many, dtype=np.int64)
    low = np.minimum.reduceat(numbers if finite.all() else np.where(finite, numbers, np.inf), chunks.starts[:-1])
    high = np.maximum.reduceat(numbers if finite.all() else np.where(finite, numbers, -np.inf), chunks.starts[:-1])
    found = np.zeros(chunks.many, dtype=np.int64)
    lowest, highest = int(np.argmin(low)), int(np.argmax(high))
    below = np.partition(low, 1)[1] - slack
    above = np.partition(high, -2)[-2] + slack
    found[lowest] += np.count_nonzero(_part(numbers, chunks, lowest) < below)
    found[highest] += np.count_nonzero(_part(numbers, chunks, highest) > above)
    return found


def _part(numbers: Numbers, chunks: Chunks, place: int) -> Numbers:
    return numbers[chunks.starts[place] : chunks.starts[place + 1]]


def _strangers(pairs: pl.DataFrame, known: Sequence[str], chunks: int) -> Table:
    """How many texts of each chunk would be unseen, had the reference not that chunk (that row, where there is one chunk only).

    A text must then be in another chunk, or, when there are more texts than are kept, be there as
    often as the rarest that is kept.

    Args:
        pairs: `chunk`, `text` and how often it is in it (`own`).
    """
    table = pairs.with_columns(pl.col("own").cast(pl.Int64), all=pl.col("own").sum().over("text").cast(pl.Int64))
    table = table.with_columns(kept=pl.col("text").is_in(list(known)))
    needed = table.filter("kept")["all"].min() if table["text"].n_unique() > len(known) else 1
    own = pl.col("own") if chunks > 1 else pl.lit(1)
    strange = table.filter(~pl.col("kept") | (pl.col("all") - own < needed))
    return np.bincount(strange["chunk"].to_numpy(), weights=strange["own"].to_numpy(), minlength=chunks).astype(np.int64)
