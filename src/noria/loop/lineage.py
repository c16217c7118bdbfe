"""Which dataset each feature of a loop comes from."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.schema import Field
from noria.ledger.documents import Documents
from noria.loop.source import views
from noria.loop.world import Declared
from noria.ports.tables import DTYPES
from noria.stages.features.views import value_columns


def lineage(documents: Documents, declared: Declared, features: tuple[Field, ...]) -> Mapping[str, str]:
    """Feature to the name of its dataset; what no view gives comes with the request, as the label's dataset does."""
    found = dict.fromkeys((field.name for field in features), declared.loop.label.columns.dataset.name)
    for view in views(declared.loop):
        version = newest_version(documents, view.dataset.name)
        if version is None:
            continue
        empty = pl.LazyFrame(schema={field.name: DTYPES[field.kind] for field in version.schema})
        try:
            made = view.transform(empty).lazy().collect()
        except Exception:  # noqa: BLE001 - the user's own code, which fails on record where its rows are computed
            continue
        found |= {name: version.name for name in value_columns(view, version, made) if name in found}
    return found


def newest_version(documents: Documents, dataset: str) -> DatasetVersion | None:
    """The version of a dataset that was taken last."""
    return max(documents.find(DatasetVersion, where={"name": dataset}), key=lambda version: version.created_at, default=None)
