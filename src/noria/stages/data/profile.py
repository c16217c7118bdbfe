"""Says what each column of a table looks like, in one pass."""

from __future__ import annotations

from typing import Any

import polars as pl

from noria.core.schema import ColumnProfile, Kind
from noria.packaging.encoding import kind_of

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_TOP = 20


def profile(frame: pl.LazyFrame | pl.DataFrame) -> tuple[ColumnProfile, ...]:
    """One profile per column: counts, moments and quantiles of numbers and times (ms), most frequent texts and bools."""
    rows = frame.lazy().collect()
    return tuple(_column(column) for column in rows.iter_columns())


def _column(column: pl.Series) -> ColumnProfile:
    kind = kind_of(column.dtype)
    values = column.drop_nulls()
    shared: dict[str, Any] = {
        "name": column.name,
        "kind": kind,
        "rows": column.len(),
        "nulls": column.null_count(),
        "distinct": values.n_unique(),
    }
    if kind in (Kind.TEXT, Kind.BOOL):
        return ColumnProfile(**shared, top=_top(values))
    numbers = values.to_physical().cast(pl.Float64)
    if numbers.is_empty():
        return ColumnProfile(**shared)
    return ColumnProfile(**shared, mean=_number(numbers.mean()), std=_number(numbers.std()), quantiles=_quantiles(numbers))


def _quantiles(numbers: pl.Series) -> tuple[float, ...]:
    ordered = numbers.sort()
    return tuple(float(ordered.quantile(q, interpolation="linear")) for q in _QUANTILES)  # type: ignore[arg-type]


def _top(values: pl.Series) -> tuple[tuple[str, int], ...]:
    counts = values.cast(pl.String).alias("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    return tuple((value, count) for value, count in counts.head(_TOP).iter_rows())


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
