"""Cuts a column into a few named parts, by what another table (the training rows) showed of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from noria.stages.evaluation.measured import Codes

PARTS = 5
"""Numbers are cut into so many parts of about the same size."""

VALUES = 20
"""A number with no more distinct values than this is cut by value, and so many texts have a part of their own."""

MISSING, OTHER = "missing", "other"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """One column in parts.

    Attributes:
        codes: Which part each row falls in, shape (rows,).
        names: The parts' names, by code.
    """

    column: str
    codes: Codes
    names: tuple[str, ...]


def cut(column: pl.Series, reference: pl.Series) -> Cut | None:
    """Cut a column at the quantiles, or by the most frequent values, of its reference; None for what has no parts.

    Beside them there is a part for what the reference lacks ("other") and one for missing values.
    Times have none: they go on, so that no new one falls where the old ones were.
    """
    if column.dtype.is_temporal() or column.dtype.is_nested() or column.dtype == pl.Binary:
        return None
    if column.dtype.is_numeric() and reference.dtype.is_numeric() and reference.n_unique() > VALUES:
        return _by_quantile(column, reference)
    return _by_value(column, reference)


def _by_quantile(column: pl.Series, reference: pl.Series) -> Cut | None:
    known = _numbers(reference)
    known = known[np.isfinite(known)]
    numbers = _numbers(column)
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, PARTS + 1))) if len(known) else np.empty(0)
    if len(edges) < 2:
        return None
    names = [f"{low:.6g} to {high:.6g}" for low, high in pairwise(edges)]
    names[0], names[-1] = f"up to {edges[1]:.6g}", f"{edges[-2]:.6g} and more"
    codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(names) - 1)
    return Cut(column=column.name, codes=np.where(np.isnan(numbers), len(names), codes), names=(*names, MISSING))


def _by_value(column: pl.Series, reference: pl.Series) -> Cut | None:
    counts = _texts(reference).drop_nulls().alias("text").value_counts(name="rows").sort("rows", "text", descending=[True, False])
    names = counts["text"].head(VALUES).to_list()
    if not names:
        return None
    places = {name: place for place, name in enumerate(names)}
    texts = _texts(column)
    codes = texts.replace_strict(places, default=len(names), return_dtype=pl.Int64).to_numpy()
    return Cut(column=column.name, codes=np.where(texts.is_null().to_numpy(), len(names) + 1, codes), names=(*names, OTHER, MISSING))


def _numbers(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _texts(column: pl.Series) -> pl.Series:
    return (column.fill_nan(None) if column.dtype.is_float() else column).cast(pl.String)
