"""How old the values are that a feature view serves: of each request, the age of the newest row that was there for it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.features import FeatureView
from noria.ports.blobs import Blobs
from noria.stages.features.join import point_in_time
from noria.stages.features.views import value_columns, view_frame

_KEY, _AT, _OF = "__key", "__at", "__of"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewAges:
    """What a view had for some requests.

    Attributes:
        columns: The features that it serves.
        age_s: Age of the newest row of each request's entity that had happened and was known by then,
            whatever its `ttl`; null where there was none; shape (requests,).
    """

    columns: tuple[str, ...]
    age_s: pl.Series


def view_ages(view: FeatureView, keys: pl.Series, moments: pl.Series, version: DatasetVersion, *, blobs: Blobs) -> ViewAges:
    """Look up what a view had for requests of these entities at these moments."""
    frame = view_frame(view, version, blobs=blobs)
    roles = [view.entity, version.time, *([version.known] if version.known and version.known != version.time else [])]
    narrow = frame.select(*roles, pl.col(version.time).alias(_OF))
    asked = pl.DataFrame([keys.alias(_KEY), moments.alias(_AT)])
    joined = point_in_time(asked, narrow, row_key=_KEY, row_time=_AT, entity=view.entity, time=version.time, known=version.known)
    age = (joined[_AT].dt.epoch("ms") - joined[_OF].dt.epoch("ms")) / 1000
    return ViewAges(columns=tuple(value_columns(view, version, frame)), age_s=age.alias("age_s"))
