"""Rows of one layout: by row as they came, and by column as models and the journal want them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from noria.core.traffic import Scalar

Values = Sequence["Scalar"]


class Rows(Sequence[Mapping[str, "Scalar"]]):
    """A batch of rows whose fields are the same; as a sequence it holds one mapping per row.

    Attributes:
        names: The fields, in the order of the values.
        values: One tuple per row.
    """

    __slots__ = ("_columns", "names", "values")

    def __init__(self, names: Sequence[str], values: Sequence[Values]) -> None:
        self.names = names
        self.values = values
        self._columns: dict[str, Sequence[Scalar]] | None = None

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Scalar]]) -> Rows:
        """Any rows as `Rows`; a field that one does not have is None there."""
        if isinstance(rows, Rows):
            return rows
        names = tuple(dict.fromkeys(name for row in rows for name in row))
        return cls(names, [tuple(row.get(name) for name in names) for row in rows])

    @property
    def columns(self) -> Mapping[str, Sequence[Scalar]]:
        """Field to its values, one per row."""
        if self._columns is None:
            turned: Iterable[Sequence[Scalar]] = zip(*self.values, strict=True) if self.values else ((),) * len(self.names)
            self._columns = dict(zip(self.names, turned, strict=True))
        return self._columns

    def column(self, name: str) -> Sequence[Scalar]:
        """One field's values; None throughout where there is no such field."""
        return self.columns.get(name) or (None,) * len(self.values)

    def picked(self, places: Sequence[int]) -> Rows:
        """The rows at `places`."""
        return Rows(self.names, [self.values[place] for place in places])

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Scalar]: ...
    @overload
    def __getitem__(self, place: slice) -> Rows: ...
    def __getitem__(self, place: int | slice) -> Mapping[str, Scalar] | Rows:
        if isinstance(place, slice):
            return Rows(self.names, self.values[place])
        return dict(zip(self.names, self.values[place], strict=True))
