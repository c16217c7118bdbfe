"""Turns named columns into the float64 matrix that a model sees: the same numbers in training and at request time."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl

from noria.core.errors import DataInvalid, RequestInvalid
from noria.core.rows import Rows
from noria.core.schema import Field, Kind
from noria.core.traffic import Scalar

CATEGORY_LIMIT = 1_000
"""Most categories that one text feature keeps; rarer values are encoded as missing."""

_NAN = float("nan")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_Take = Callable[[Sequence[Scalar]], Sequence[Scalar]]
_Convert = Callable[[Sequence[Scalar]], Sequence[Any]]


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


class RowEncoder:
    """`encode` for the request path: plain Python columns in, the same bits out. Thread-safe."""

    __slots__ = ("_plain", "_plan", "_taken")

    def __init__(self, features: Sequence[Field]) -> None:
        self._plan = tuple((feature.name, _converter(feature)) for feature in features)
        self._plain = all(feature.kind not in (Kind.TEXT, Kind.TIME) for feature in features)
        self._taken: tuple[Sequence[str], _Take | None] = ((), None)

    def encode_rows(self, rows: Rows) -> np.ndarray:
        """As `encode`; numbers that need no converting go straight from the rows into the matrix."""
        take = self._take_from(rows.names) if self._plain else None
        if take is None:
            return self.encode(rows.columns, len(rows))
        cells: list[Any] = []
        for values in rows.values:
            cells += take(values)
        try:
            return np.frombuffer(_array(cells)).reshape(len(rows), len(self._plan))
        except (TypeError, ValueError, OverflowError) as error:
            raise self._misfit(rows.columns, error) from error

    def _take_from(self, names: Sequence[str]) -> _Take | None:
        """Takes the features out of one row, in order; None where one is missing."""
        known, take = self._taken
        if known is not names:
            take = _taking([name for name, _ in self._plan], names)
            self._taken = (names, take)
        return take

    def encode(self, columns: Mapping[str, Sequence[Scalar]], rows: int) -> np.ndarray:
        """The matrix of `rows` rows: float64, shape (rows, features), C-contiguous.

        A column that is not there, None and text without a category are NaN. Times may be ISO 8601
        text (UTC unless it says otherwise), datetimes or epoch seconds.

        Raises:
            RequestInvalid: a value does not fit its field, or a column has not `rows` values.
        """
        cells: list[Any] = []
        try:
            for name, convert in self._plan:
                column = columns.get(name)
                cells += [_NAN] * rows if column is None else convert(column)
            numbers = _array(cells)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._misfit(columns, error) from error
        width = len(self._plan)
        if len(numbers) != rows * width:
            raise RequestInvalid(f"expected {rows} values in each column", fields=_wrong_lengths(columns, rows))
        if rows == 1:
            return np.frombuffer(numbers).reshape(1, width)
        return np.ascontiguousarray(np.frombuffer(numbers).reshape(width, rows).T)

    def _misfit(self, columns: Mapping[str, Sequence[Scalar]], error: Exception) -> RequestInvalid:
        """Which columns do not fit, found one by one, now that time does not matter."""
        fields = {}
        for name, convert in self._plan:
            try:
                _array(convert(columns.get(name, ())))
            except (TypeError, ValueError, OverflowError) as reason:
                fields[name] = f"{reason}"[:200]
        return RequestInvalid(f"{', '.join(map(repr, fields))} cannot be a feature: {error}", fields=fields)


def _taking(wanted: Sequence[str], names: Sequence[str]) -> _Take | None:
    places = {name: place for place, name in enumerate(names)}
    if not wanted or not all(name in places for name in wanted):
        return None
    if list(names) == list(wanted):
        return _all
    if len(wanted) == 1:
        only = places[wanted[0]]
        return lambda values: values[only : only + 1]
    return itemgetter(*(places[name] for name in wanted))


def _all(values: Sequence[Scalar]) -> Sequence[Scalar]:
    return values


def _array(cells: Sequence[Any]) -> array[float]:
    try:
        return array("d", cells)
    except TypeError:
        return array("d", [_NAN if cell is None else cell for cell in cells])


def _converter(feature: Field) -> _Convert:
    """How one column becomes floats; numbers stay what they are until they all go into one array."""
    if feature.kind is Kind.TEXT:
        codes: dict[Scalar, float] = {value: float(code) for code, value in enumerate(feature.categories)}
        code_of = codes.get
        return lambda column: [code_of(value, _NAN) for value in column]
    if feature.kind is Kind.TIME:
        return lambda column: [_seconds(value) for value in column]
    return lambda column: column


def _seconds(value: Scalar | datetime) -> float:
    if value is None:
        return _NAN
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return float(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return float((value - _EPOCH) // _MICROSECOND) / 1e6


def _wrong_lengths(columns: Mapping[str, Sequence[Scalar]], rows: int) -> dict[str, str]:
    return {name: f"{len(column)} values" for name, column in columns.items() if len(column) != rows}
