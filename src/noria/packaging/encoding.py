"""Turns named columns into the float64 matrix that a model sees: the same numbers in training and at request time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind

CATEGORY_LIMIT = 1_000
"""Most categories that one text feature keeps; rarer values are encoded as missing."""

_NAN = float("nan")


def kind_of(dtype: pl.DataType) -> Kind:
    """The kind of a Polars column.

    Raises:
        DataInvalid: a model cannot take such a column (lists, structs, binary, durations).
    """
    if dtype == pl.Boolean:
        return Kind.BOOL
    if dtype.is_integer():
        return Kind.INT
    if dtype.is_float() or dtype.is_decimal() or dtype == pl.Null:
        return Kind.FLOAT
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Kind.TEXT
    if dtype in (pl.Date, pl.Datetime):
        return Kind.TIME
    raise DataInvalid(f"a column of type {dtype} is not a number, text, bool or time", fix="turn it into one in the feature view")


def learn_fields(frame: pl.DataFrame, names: Sequence[str]) -> tuple[Field, ...]:
    """Fields of `names` as `frame` shows them; text ones with their most frequent values, sorted.

    Raises:
        DataInvalid: a column is not there, or no model can take its type.
    """
    return tuple(_learn(_column(frame, name)) for name in names)


def _learn(column: pl.Series) -> Field:
    try:
        kind = kind_of(column.dtype)
    except DataInvalid as error:
        raise DataInvalid(f"column {column.name!r}: {error.message}", fix=error.fix) from error
    if kind is not Kind.TEXT:
        return Field(name=column.name, kind=kind)
    counts = column.cast(pl.String).drop_nulls().alias("value").value_counts(name="count")
    kept = counts.sort(["count", "value"], descending=[True, False]).head(CATEGORY_LIMIT)
    return Field(name=column.name, kind=kind, categories=tuple(sorted(kept["value"])))


def encode(frame: pl.DataFrame, features: Sequence[Field]) -> np.ndarray:
    """The matrix of `features`: float64, shape (rows, features), C-contiguous; missing is NaN.

    Text becomes its category's code, bool 0 or 1, time epoch seconds; a numeric column under a
    TIME field counts as epoch seconds already.

    Raises:
        DataInvalid: a column is not there, or does not fit its field.
    """
    matrix = np.empty((frame.height, len(features)), dtype=np.float64)
    for place, feature in enumerate(features):
        matrix[:, place] = _numbers(_column(frame, feature.name), feature)
    return matrix


def _numbers(column: pl.Series, feature: Field) -> np.ndarray:
    kind = kind_of(column.dtype)
    if column.dtype == pl.Null:
        return _floats(column)
    if feature.kind is Kind.TEXT and kind is Kind.TEXT:
        return _floats(column.cast(pl.String).cast(pl.Enum(feature.categories), strict=False).to_physical())
    if feature.kind is Kind.TIME and kind is Kind.TIME:
        # NumPy divides; Polars multiplies by the reciprocal, which is one bit off what `_seconds` gives.
        return _floats(column.cast(pl.Datetime("us")).to_physical()) / 1e6
    if Kind.TEXT in (kind, feature.kind) or kind is Kind.TIME:
        raise DataInvalid(f"feature {feature.name!r} is {feature.kind}, but its column holds {column.dtype}")
    return _floats(column)


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(_NAN).to_numpy()


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        raise DataInvalid(f"there is no column {name!r}; there are {', '.join(frame.columns[:40])}")
    return frame[name]
