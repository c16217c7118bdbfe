"""Which values are not of the kind that their column should hold."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.schema import Kind

_YES_NO = ("true", "false", "0", "1")


def unparsed(values: pl.Series, kind: str) -> int:
    """Count the values that are there and do not parse as the kind; "" is no kind, so all do.

    Numbers written as text parse. A fraction is no whole number, a number is no text, and a moment
    is neither.
    """
    return int(np.count_nonzero(misfits(values, kind))) if may_misfit(values.dtype, kind) else 0


def misfits(values: pl.Series, kind: str) -> NDArray[np.bool_]:
    """Which values are there and do not parse as the kind, shape (rows,)."""
    dtype = values.dtype
    present = values.is_not_null()
    if not may_misfit(dtype, kind):
        return np.zeros(len(values), dtype=np.bool_)
    if kind == Kind.TEXT or dtype.is_nested() or dtype.is_temporal() or not (dtype.is_numeric() or _is_text(dtype)):
        return (present & values.is_not_nan() if dtype.is_float() else present).to_numpy()
    if _is_text(dtype) and kind == Kind.BOOL:
        return (present & ~values.cast(pl.String).str.to_lowercase().is_in(_YES_NO)).fill_null(False).to_numpy()
    numbers = values.cast(pl.Float64, strict=False)
    wrong = (present & numbers.is_null()).to_numpy()
    found = numbers.fill_null(float("nan")).to_numpy()
    if kind == Kind.INT:
        wrong = wrong | (np.isfinite(found) & (found != np.floor(found)))
    if kind == Kind.BOOL:
        wrong = wrong | (~np.isnan(found) & (found != 0) & (found != 1))
    return wrong


def may_misfit(dtype: pl.DataType, kind: str) -> bool:
    """Whether a column of this type can hold a value that does not fit: most are sound as a whole."""
    if kind == "" or dtype == pl.Null:
        return False
    if kind == Kind.TEXT:
        return not _is_text(dtype)
    if kind == Kind.TIME:
        return not dtype.is_temporal()
    if dtype == pl.Boolean or (dtype.is_integer() and kind != Kind.BOOL):
        return False
    return not (kind == Kind.FLOAT and (dtype.is_float() or dtype.is_decimal()))


def _is_text(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Categorical, pl.Enum)
