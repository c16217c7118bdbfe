"""Runs a user's own feature code: a view over its dataset, an on-demand transform over request rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.features import FeatureView, OnDemand
from noria.core.errors import DataInvalid
from noria.packaging.encoding import kind_of
from noria.ports.blobs import Blobs
from noria.ports.tables import as_kind, scan


def view_frame(view: FeatureView, version: DatasetVersion, *, blobs: Blobs, known_by: datetime | None = None) -> pl.DataFrame:
    """What the view's function makes of the dataset, with its entity, time and known columns.

    Where the function dropped the known column it is joined back: by (entity, time) where that
    names one moment, or row by row where the function kept rows and order.

    Raises:
        DataInvalid: the entity or the time was dropped, the known time cannot be told, or a
            feature is of a type that no model can take.
    """
    rows = scan(version, blobs=blobs, known_by=known_by)
    made = view.transform(rows)
    frame = made.collect() if isinstance(made, pl.LazyFrame) else made
    for needed in (view.entity, version.time):
        if needed not in frame.columns:
            raise DataInvalid(f"feature view {view.name!r} drops {needed!r}", fix="keep the entity and the time column in its function")
    if version.known and version.known not in frame.columns:
        frame = _known_again(view, version, frame, rows)
    return pl.DataFrame([_of_kind(column, view.name) for column in frame.iter_columns()])


def value_columns(view: FeatureView, version: DatasetVersion, frame: pl.DataFrame) -> list[str]:
    """The features among the columns of a view's frame, in its order."""
    return [name for name in frame.columns if name not in (view.entity, version.time, version.known)]


def computed(transform: OnDemand, rows: pl.DataFrame) -> list[pl.Series]:
    """The new columns that an on-demand transform makes of its inputs, one value per row.

    Raises:
        DataInvalid: it made another number of rows, or a column that no model can take.
    """
    made = transform.transform(rows)
    columns = [_of_kind(column, transform.name) for column in made.iter_columns() if column.name not in transform.inputs]
    if made.height != rows.height:
        raise DataInvalid(
            f"on-demand transform {transform.name!r} made {made.height} rows of {rows.height}", fix="return one row per row it is given"
        )
    return columns


def _of_kind(column: pl.Series, owner: str) -> pl.Series:
    try:
        return as_kind(column, kind_of(column.dtype))
    except (DataInvalid, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"{owner!r} makes {column.name!r} of type {column.dtype}, which no model can take") from error


def _known_again(view: FeatureView, version: DatasetVersion, frame: pl.DataFrame, rows: pl.LazyFrame) -> pl.DataFrame:
    place = [view.entity, version.time]
    told = rows.select(*place, version.known).collect()
    distinct = told.unique()
    if distinct.height == distinct.select(place).n_unique():
        return frame.join(distinct, on=place, how="left", maintain_order="left")
    if _same(frame, told, place):
        return frame.with_columns(told[version.known])
    raise DataInvalid(
        f"feature view {view.name!r} drops {version.known!r}, and ({', '.join(place)}) does not say when a row became known",
        fix=f"keep {version.known!r} in its function",
    )


def _same(frame: pl.DataFrame, told: pl.DataFrame, columns: Sequence[str]) -> bool:
    return frame.height == told.height and all(frame[name].equals(told[name], null_equal=True) for name in columns)
