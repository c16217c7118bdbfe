"""Puts values into bins: deciles of the reference, heavy values on their own, text, and missing."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.intp]

CATEGORIES = 30
"""Most frequent texts that get a bin each; the others share one."""

OUTER = 0.001
"""Share of the reference beyond each outer edge: a few freak values must not hide a new world."""


def edges_of(values: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """Choose inner edges, so that each bin [edge, next edge) holds about 1/bins of the values.

    A value with more than that share (zero rain, say) gets a bin of its own, and the others are
    cut by their own quantiles. The first and the last bin lie beyond nearly all that was ever
    seen: with deciles alone, July would look like the warmest day of January.
    """
    return edges_of_runs(*np.unique(values[np.isfinite(values)], return_counts=True), bins)


def edges_of_runs(distinct: NDArray[np.float64], counts: NDArray[np.intp], bins: int) -> tuple[float, ...]:
    """The same from the different finite values, ascending, and how often each is there."""
    if len(distinct) == 0:
        return ()
    total = counts.sum()
    lowest, highest = (distinct[np.searchsorted(np.cumsum(counts), share * total)] for share in (OUTER, 1 - OUTER))
    heavy = counts > total / bins
    after = np.flatnonzero(heavy) + 1
    alone = np.concatenate([distinct[heavy], distinct[after[after < len(distinct)]]])
    others, reached = distinct[~heavy], np.cumsum(counts[~heavy])
    rest = int(reached[-1]) if len(reached) else 0
    pieces = max(1, round(bins * rest / total))
    ranks = np.ceil((rest - 1) * (np.arange(1, pieces) / pieces))
    inner = others[np.searchsorted(reached, ranks, side="right")] if rest else others
    within = np.concatenate([alone, inner])
    within = within[(within > lowest) & (within <= highest)]
    return tuple(float(edge) for edge in np.unique([lowest, *within, np.nextafter(highest, np.inf)]))


def categories_of(values: pl.Series, most: int = CATEGORIES) -> tuple[str, ...]:
    """Choose the most frequent texts, in alphabetical order."""
    counts = values.alias("text").drop_nulls().cast(pl.String).value_counts(name="rows").sort("rows", "text", descending=[True, False])
    return tuple(sorted(counts["text"].head(most).to_list()))


def codes_of(values: pl.Series, *, edges: tuple[float, ...], categories: tuple[str, ...]) -> Codes:
    """Number the bin of each value, shape (rows,), in the order of `FeatureReference.counts`.

    Numbers: the bins by the edges, then missing (null and NaN). Text: the categories, then any
    other text, then missing.
    """
    if edges:
        numbers = numbers_of(values)
        codes = np.searchsorted(edges, numbers, side="right")
        return np.where(np.isnan(numbers), len(edges) + 1, codes)
    missing = missing_of(values)
    if not categories:
        return missing.astype(np.intp)
    known = values.cast(pl.String).cast(pl.Enum(categories), strict=False).to_physical().fill_null(len(categories)).to_numpy()
    return np.where(missing, len(categories) + 1, known.astype(np.intp))


def size_of(*, edges: tuple[float, ...], categories: tuple[str, ...]) -> int:
    """How many bins there are, with other and missing."""
    return max(len(edges), len(categories)) + 2


def numbers_of(values: pl.Series) -> NDArray[np.float64]:
    """The values as floats, shape (rows,); what is no number is NaN."""
    return values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def missing_of(values: pl.Series) -> NDArray[np.bool_]:
    """Which values are null, or NaN."""
    missing = values.is_null()
    if values.dtype.is_float():
        missing = missing | values.is_nan().fill_null(True)
    return missing.to_numpy()
