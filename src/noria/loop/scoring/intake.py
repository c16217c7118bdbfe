"""Turns the columns of a file into request fields as the data plane would take them; rows that it would refuse are put aside."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind
from noria.loop.scoring.inputs import Chunk
from noria.ports.tables import DTYPES, TIME, moment_ms
from noria.stages.serving.validation import TEXT_LIMIT

_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def taken(chunk: Chunk, wanted: Sequence[Field]) -> tuple[pl.DataFrame, dict[int, str]]:
    """The wanted fields of a chunk, one Polars type per kind, and place to reason of each row that does not fit.

    As for a request: a required field must be there, numbers must be finite (NaN counts as
    missing), whole numbers whole, texts of bounded length. Numbers, bools and times may be text.

    Raises:
        DataInvalid: the file lacks a required column altogether.
    """
    frame, bad = chunk.frame, dict(chunk.bad)
    columns = []
    for one in wanted:
        if one.name not in frame.columns:
            if one.required and len(bad) < frame.height:
                raise DataInvalid(
                    f"there is no column {one.name!r}; there are {', '.join(frame.columns[:40]) or 'none that the model takes'}",
                    fix="name the columns as the training data names them",
                )
            columns.append(pl.repeat(None, frame.height, dtype=DTYPES[one.kind], eager=True).alias(one.name))
            continue
        column, wrong = _as_field(frame[one.name], one)
        columns.append(column)
        _note(bad, wrong, column, frame[one.name], one)
        if one.required and column.null_count():
            for place in column.is_null().arg_true().to_list():
                bad.setdefault(place, f"{one.name} is missing")
    return pl.DataFrame(columns), bad


def _note(bad: dict[int, str], wrong: pl.Series | None, column: pl.Series, raw: pl.Series, one: Field) -> None:
    if wrong is None or not wrong.any():
        return
    for place in wrong.arg_true().to_list():
        bad.setdefault(place, f"{one.name} {_SAID[one.kind]}: {str(raw[place])[:60]!r}")


_SAID = {
    Kind.FLOAT: "must be a finite number",
    Kind.INT: "must be a whole number",
    Kind.BOOL: "must be true or false",
    Kind.TEXT: f"must be text of at most {TEXT_LIMIT:,} characters",
    Kind.TIME: "must be a time",
}


def _as_field(raw: pl.Series, one: Field) -> tuple[pl.Series, pl.Series | None]:
    """The column as its field's kind, and which of its values do not fit (None = all do)."""
    dtype = raw.dtype
    if dtype == pl.Null:
        return raw.cast(DTYPES[one.kind]), None
    if one.kind is Kind.FLOAT:
        return _float(raw)
    if one.kind is Kind.INT:
        return _int(raw)
    if one.kind is Kind.BOOL:
        return _bool(raw)
    if one.kind is Kind.TIME:
        return _time(raw)
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        return _none_of(raw, pl.String())
    text = raw if dtype == pl.String else raw.cast(pl.String)
    longest = text.str.len_bytes().max()
    return text, text.str.len_chars() > TEXT_LIMIT if isinstance(longest, int) and longest > TEXT_LIMIT else None


def _float(raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    if raw.dtype == pl.Boolean or not (raw.dtype.is_numeric() or raw.dtype == pl.String):
        return _none_of(raw, pl.Float64())
    if raw.dtype.is_integer():
        return raw.cast(pl.Float64), None
    numbers = raw if raw.dtype == pl.Float64 else raw.cast(pl.Float64, strict=False)
    numbers = numbers.fill_nan(None)
    wrong = numbers.is_infinite().fill_null(False)
    if raw.dtype == pl.String:
        wrong = wrong | (numbers.is_null() & raw.is_not_null() & (raw.str.to_lowercase() != "nan").fill_null(False))
    return numbers, wrong if wrong.any() else None


def _int(raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    if raw.dtype.is_integer():
        whole = raw if raw.dtype == pl.Int64 else raw.cast(pl.Int64, strict=False)
        return whole, whole.is_null() & raw.is_not_null()
    if raw.dtype == pl.String:
        whole = raw.cast(pl.Int64, strict=False)
        left = whole.is_null() & raw.is_not_null()
        if not left.any():
            return whole, None
        by_float, wrong = _int(raw.cast(pl.Float64, strict=False))
        unread = by_float.is_null() & raw.is_not_null() & (raw.str.to_lowercase() != "nan").fill_null(False)
        return whole.zip_with(~left, by_float), left & ((wrong if wrong is not None else unread) | unread)
    if raw.dtype == pl.Boolean or not raw.dtype.is_numeric():
        return _none_of(raw, pl.Int64())
    numbers = raw.cast(pl.Float64).fill_nan(None)
    whole = numbers.cast(pl.Int64, strict=False)
    return whole, numbers.is_not_null() & (whole.is_null() | (whole.cast(pl.Float64) != numbers))


def _bool(raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    if raw.dtype == pl.Boolean:
        return raw, None
    if raw.dtype != pl.String:
        return _none_of(raw, pl.Boolean())
    truths = raw.str.to_lowercase().replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return truths, truths.is_null() & raw.is_not_null()


def _time(raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    if raw.dtype in (pl.Date, pl.Datetime):
        return raw if raw.dtype == TIME else raw.cast(TIME), None
    if raw.dtype != pl.String:
        return _none_of(raw, TIME)
    moments = {text: _moment(text) for text in raw.drop_nulls().unique()}
    times = raw.replace_strict(moments, default=None, return_dtype=pl.Int64).cast(TIME)
    return times, times.is_null() & raw.is_not_null()


def _moment(text: str) -> int | None:
    try:
        return moment_ms(text)
    except (ValueError, OverflowError):
        return None


def _none_of(raw: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """A column of another kind: not one of its values fits."""
    return pl.repeat(None, raw.len(), dtype=dtype, eager=True).alias(raw.name), raw.is_not_null()
