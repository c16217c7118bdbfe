"""Features made ready once for any number of tables: training asks for one table, batch scoring for thousands of pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import Feature, FeatureView, OnDemand
from noria.core.errors import DataInvalid
from noria.ports.blobs import Blobs
from noria.stages.features.join import ViewIndex
from noria.stages.features.views import computed, view_frame


class PreparedFeatures:
    """What is declared, with its views computed. Not thread-safe where there are views or transforms: users wrote those."""

    def __init__(
        self, features: Sequence[Feature], versions: Mapping[str, DatasetVersion], *, blobs: Blobs, known_by: datetime | None = None
    ) -> None:
        """Compute the views.

        Args:
            known_by: Only view rows known at that moment; None = all, each held against the moment of the row that asks.

        Raises:
            DataInvalid: a dataset has no version, or a view is not what a model can take.
        """
        self._features = tuple(features)
        self._views: dict[int, ViewIndex] = {}
        for place, feature in enumerate(self._features):
            if isinstance(feature, FeatureView):
                version = version_of(versions, feature.dataset.name)
                view = view_frame(feature, version, blobs=blobs, known_by=known_by)
                self._views[place] = ViewIndex(view, entity=feature.entity, time=version.time, known=version.known, ttl=feature.ttl)

    def columns(self, rows: pl.DataFrame, moments: pl.Series) -> list[pl.Series]:
        """The features of `rows` (request columns) as of `moments`, NaN as null, in declaration order.

        Raises:
            DataInvalid: two features have the same name.
        """
        made: dict[str, pl.Series] = {}
        for place, feature in enumerate(self._features):
            for column in self._columns(place, feature, rows, moments):
                if column.name in made:
                    raise DataInvalid(f"two features are named {column.name!r}", fix="rename one of them in its feature view or transform")
                made[column.name] = column.fill_nan(None) if column.dtype.is_float() else column
        return list(made.values())

    def _columns(self, place: int, feature: Feature, rows: pl.DataFrame, moments: pl.Series) -> Iterable[pl.Series]:
        if isinstance(feature, Columns):
            return rows.select(feature.names).get_columns()
        if isinstance(feature, OnDemand):
            return computed(feature, rows.select(feature.inputs))
        return self._views[place].join(rows[feature.key], moments).get_columns()


def version_of(versions: Mapping[str, DatasetVersion], name: str) -> DatasetVersion:
    """The version of a dataset.

    Raises:
        DataInvalid: there is none.
    """
    if name not in versions:
        raise DataInvalid(f"there is no version of dataset {name!r}; there are {', '.join(sorted(versions))}")
    return versions[name]
