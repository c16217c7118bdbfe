"""Turns rows of a request into the float64 matrix that a model sees: the same bits as `encode`, without data frames."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np

from noria.core.errors import RequestInvalid
from noria.core.rows import Rows
from noria.core.schema import Field, Kind
from noria.core.traffic import Scalar

_NAN = float("nan")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_Take = Callable[[Sequence[Scalar]], Sequence[Scalar]]
_Convert = Callable[[Sequence[Scalar]], Sequence[Any]]


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
