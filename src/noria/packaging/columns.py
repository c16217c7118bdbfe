"""Turns named columns into the arrays of a model that takes more than numbers: the same for samples and for requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noria.core.errors import RequestInvalid
from noria.core.schema import Field, Kind
from noria.packaging.row_encoding import RowEncoder


class ColumnEncoder:
    """Columns of plain values as arrays, one per feature, whose first dimension is the rows. Thread-safe.

    Numbers, bools and times (epoch seconds) are float64 with NaN for missing; text and bytes are
    objects with None for missing; tensors keep their type, stacked.
    """

    __slots__ = ("_features", "_numbers")

    def __init__(self, features: Sequence[Field]) -> None:
        self._features = tuple(features)
        self._numbers = {field.name: RowEncoder([field]) for field in features if not field.kind.whole and field.kind is not Kind.TEXT}

    def encode(self, columns: Mapping[str, Sequence[Any]], rows: int) -> dict[str, np.ndarray]:
        """The arrays of `rows` rows.

        Raises:
            RequestInvalid: a value does not fit its field, or tensors of one batch differ in shape.
        """
        return {field.name: self._array(field, columns.get(field.name), rows) for field in self._features}

    def _array(self, field: Field, column: Sequence[Any] | None, rows: int) -> np.ndarray:
        if field.kind is Kind.TENSOR:
            return _stacked(field, column, rows)
        if field.kind is Kind.BYTES:
            return _objects([None if one is None else bytes(one) for one in column or [None] * rows])
        if field.kind is Kind.TEXT:
            return _objects(column or [None] * rows)
        return self._numbers[field.name].encode({} if column is None else {field.name: column}, rows)[:, 0]


def _objects(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _stacked(field: Field, column: Sequence[Any] | None, rows: int) -> np.ndarray:
    if column is None or any(one is None for one in column):
        raise RequestInvalid(f"{field.name} is missing", fields={field.name: "is missing, and an array has no value that stands for it"})
    if not rows:
        return np.empty((0, *(max(size, 0) for size in field.shape)), dtype=field.dtype)
    if len({np.shape(one) for one in column}) > 1:
        raise RequestInvalid(
            f"{field.name} has arrays of several shapes in one batch", fields={field.name: "must have one shape in a call"}
        )
    return np.stack([np.asarray(one, dtype=field.dtype) for one in column])
