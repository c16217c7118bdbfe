"""Feeds the online store: the newest values of each entity that are known by a moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.features import FeatureView
from noria.core.moments import to_ms
from noria.ports.blobs import Blobs
from noria.ports.online import Online, OnlineRow
from noria.stages.features.views import value_columns, view_frame

_NEVER = ""


class Materialiser:
    """One view over one dataset version, computed once and handed out as time goes by. For one thread.

    A row can be seen from max(time, known) on, exactly as in the point-in-time join, so the store
    holds at every moment what the join would find then.
    """

    def __init__(self, view: FeatureView, version: DatasetVersion, *, blobs: Blobs) -> None:
        roles = [version.time, version.known] if version.known else [version.time]
        frame = view_frame(view, version, blobs=blobs).drop_nulls([view.entity, *roles])
        frame = frame.with_columns(pl.max_horizontal(roles).alias("__seen")).sort("__seen", *roles, maintain_order=True)
        self._view = view.name
        self._seen_ms = frame["__seen"].to_physical().to_numpy()
        self._order = pl.DataFrame(
            [frame[view.entity].cast(pl.String).alias("entity"), *(frame[name].alias(f"at {name}") for name in roles)]
        )
        self._values = _plain(frame.select(value_columns(view, version, frame.drop("__seen"))))
        self._done = 0

    def advance(self, online: Online, until: datetime) -> int:
        """Write what became known since the store's watermark up to `until`, newest per entity; returns rows kept.

        The first call of this object writes all that is known by `until`, for rows may be new in
        this version that are older than the watermark. An `until` before the watermark does nothing.
        """
        watermark = online.watermark(self._view)
        if watermark != _NEVER and datetime.fromisoformat(watermark) > _utc(until):
            return 0
        begin = 0 if watermark == _NEVER else self._done
        end = int(np.searchsorted(self._seen_ms, to_ms(until), side="right"))
        kept = online.write(self._view, self._newest(begin, end), watermark=_utc(until).isoformat())
        self._done = end
        return kept

    def _newest(self, begin: int, end: int) -> Iterator[tuple[str, OnlineRow]]:
        if begin == end:
            return
        order = self._order[begin:end].with_row_index("place", offset=begin)
        roles = order.columns[2:]
        newest = order.sort(*roles, maintain_order=True).unique("entity", keep="last").sort("entity")
        values = self._values[newest["place"]]
        times = newest[roles[0]].to_physical()
        for entity, time_ms, row in zip(newest["entity"], times, values.iter_rows(named=True), strict=True):
            yield entity, OnlineRow(time_ms, row)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _plain(values: pl.DataFrame) -> pl.DataFrame:
    """Moments as ISO 8601 text, NaN as null; the other kinds are plain already."""
    return values.with_columns(pl.selectors.float().fill_nan(None), pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00"))
