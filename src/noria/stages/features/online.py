"""Features at request time: looked up in the online store, or computed from the request itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import polars as pl

from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import Feature, FeatureView, OnDemand
from noria.core.rows import Rows
from noria.core.schema import Field, Kind
from noria.core.traffic import Scalar
from noria.ports.online import Online
from noria.ports.tables import DTYPES, TIME, moment_ms
from noria.stages.features.views import computed

Row = Mapping[str, Scalar]


class Lookup:
    """The compiled read plan of a version's features. For one thread at a time.

    Attributes:
        defaulted: View name to how many lookups found nothing fresh, since the start.
    """

    __slots__ = ("_expected", "_inputs", "_transforms", "_views", "defaulted")

    def __init__(self, features: Sequence[Feature], *, online: Online, inputs: Sequence[Field], fields: Sequence[Field] = ()) -> None:
        """Plan the lookups.

        Args:
            features: As declared; plain columns need nothing here.
            online: Where views were materialised.
            inputs: Fields of a request.
            fields: The signature's features: names the columns of a view that has no row yet.
        """
        plain = {name for feature in features if isinstance(feature, Columns) for name in feature.names}
        self._views = [_View(feature, online) for feature in features if isinstance(feature, FeatureView)]
        self._transforms = [feature for feature in features if isinstance(feature, OnDemand)]
        read = {name for transform in self._transforms for name in transform.inputs}
        self._inputs = [field for field in inputs if field.name in read]
        self._expected = [field.name for field in fields if field.name not in plain]
        self.defaulted = {view.name: 0 for view in self._views}

    def served(self, rows: Sequence[Row], now_ms: int) -> dict[str, Sequence[Scalar]]:
        """Looked-up and on-demand features of a batch, one plain value per row; a missing one is None.

        Views come first, then transforms, each in the order declared. Times are ISO 8601 text.
        A transform runs once for the whole batch, on the types it has in training; what it raises
        goes through.

        Args:
            rows: Validated request inputs; times as ISO 8601 text or epoch ms.
            now_ms: The moment that ages are held against.
        """
        found: dict[str, Sequence[Scalar]] = {}
        if not (self._views or self._transforms or self._expected):
            return found
        batch = Rows.of(rows)
        for view in self._views:
            self.defaulted[view.name] += view.look_up(batch, now_ms, found)
        if self._transforms:
            asked = {field.name: _column(batch, field) for field in self._inputs}
            for transform in self._transforms:
                # Not one frame and `select`: a Polars query costs 25 µs, more than all else here.
                for column in computed(transform, pl.DataFrame([asked[name] for name in transform.inputs])):
                    found[column.name] = _plain(column)
        for name in self._expected:
            if name not in found:
                found[name] = [None] * len(rows)
        return found


class _View:
    """One view's part of the plan."""

    __slots__ = ("_columns", "_key", "_online", "_ttl_ms", "name")

    def __init__(self, view: FeatureView, online: Online) -> None:
        self.name = view.name
        self._key = view.key
        self._online = online
        self._ttl_ms = math.inf if view.ttl is None else view.ttl.total_seconds() * 1000
        self._columns: tuple[str, ...] = ()

    def look_up(self, rows: Rows, now_ms: int, found: dict[str, Sequence[Scalar]]) -> int:
        """Add the view's columns to `found`; returns how many rows got nothing."""
        keys = rows.column(self._key)
        asked = {key: _entity(key) for key in keys if key is not None}
        fresh: dict[Scalar, Mapping[str, Scalar]] = {}
        for key, row in zip(asked, self._online.read(self.name, list(asked.values())), strict=True):
            if row is None:
                continue
            self._columns = self._columns or tuple(row.values)
            if row.time_ms <= now_ms <= row.time_ms + self._ttl_ms:
                fresh[key] = row.values
        values = [fresh.get(key, _NOTHING) for key in keys]
        for name in self._columns:
            found[name] = [value.get(name) for value in values]
        return sum(value is _NOTHING for value in values)


_NOTHING: Mapping[str, Scalar] = {}


def _entity(key: Scalar) -> str:
    """A key as the store writes it: the way Polars turns it into text."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def _column(rows: Rows, field: Field) -> pl.Series:
    name, values = field.name, rows.column(field.name)
    if field.kind is Kind.TIME:
        moments = [moment_ms(value) if isinstance(value, str) else value for value in values]
        return pl.Series(name, moments, dtype=pl.Int64).cast(TIME)
    return pl.Series(name, values, dtype=DTYPES[field.kind], strict=False)


def _plain(column: pl.Series) -> list[Scalar]:
    values = column.to_list()
    return [None if value is None else value.isoformat() for value in values] if column.dtype == TIME else values
