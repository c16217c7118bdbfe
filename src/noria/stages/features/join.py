"""The bitemporal as-of join: a row sees what had happened, and was known, at its own moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from noria.core.errors import DataInvalid
from noria.ports.tables import TIME

_KEY, _ENTITY, _AT, _SEEN, _PLACE, _BEST = "key", "entity", "at", "seen", "place", "best"


def point_in_time(
    rows: pl.DataFrame,
    view: pl.DataFrame,
    *,
    row_key: str,
    row_time: str,
    entity: str,
    time: str,
    known: str = "",
    ttl: timedelta | None = None,
) -> pl.DataFrame:
    """Append to each row the newest view row of its entity that had happened and was known by then.

    A view row counts for a row when `time` ≤ `row_time`, `known` ≤ `row_time` and the age
    `row_time` − `time` ≤ `ttl`. Of those the latest `time` wins, then the latest `known`, then the
    last in order. A missing key or time on either side never matches.

    A late correction makes the newest row known differ from the row known last, which a plain
    as-of join gets wrong. So each view row is put at the moment from which it can be seen,
    max(`time`, `known`), and replaced there by the best row seen so far; after that reduction
    one plain as-of join is exact. An age beyond `ttl` rules out every older row too, so it is
    held against the winner only.

    Args:
        rows: Left rows; their order and number are kept.
        view: Right rows, in any order.
        row_key: Column of `rows` that names the entity.
        row_time: Column of `rows` with its moment.
        entity: Column of `view` that names the entity.
        time: Column of `view` with the event time.
        known: Column of `view` with the time at which it became known; `time` when left out.
        ttl: Oldest age that still counts.

    Returns:
        `rows` with the columns of `view` other than `entity`, `time` and `known`.

    Raises:
        DataInvalid: both sides have a column of the same name.
    """
    index = ViewIndex(view, entity=entity, time=time, known=known, ttl=ttl)
    if clashes := [name for name in index.values if name in rows.columns]:
        raise DataInvalid(f"columns {', '.join(map(repr, clashes[:20]))} are there twice", fix="rename them in the feature view")
    return pl.concat([rows, index.join(rows[row_key], rows[row_time])], how="horizontal")


class ViewIndex:
    """A view's rows laid out for `point_in_time`, once for any number of tables. Thread-safe.

    Attributes:
        values: Columns that a join gives.
    """

    __slots__ = ("_entities", "_order", "_ordered", "_seen", "_ttl", "values")

    def __init__(self, view: pl.DataFrame, *, entity: str, time: str, known: str = "", ttl: timedelta | None = None) -> None:
        """Lay out the rows; the arguments are those of `point_in_time`."""
        roles = [entity, time, *([known] if known and known != time else [])]
        self.values = [name for name in view.columns if name not in roles]
        self._ordered = view.drop_nulls(roles).sort(roles[1:], maintain_order=True)
        self._entities, self._order = self._ordered[entity], [self._ordered[name] for name in roles[1:]]
        self._seen: dict[bool, pl.DataFrame] = {}
        self._ttl = ttl

    def join(self, keys: pl.Series, moments: pl.Series) -> pl.DataFrame:
        """For each key the values of the best view row that it can see at its moment, null where there is none."""
        best = self._newest_seen(keys, moments)
        if self._ttl is not None:
            age = moments.cast(TIME) - self._order[0].cast(TIME).gather(best)
            best = best.to_frame().select(pl.when(pl.lit(age) <= self._ttl).then(pl.col(_BEST))).to_series()
        return self._ordered.select(pl.col(self.values).gather(best))

    def _newest_seen(self, keys: pl.Series, moments: pl.Series) -> pl.Series:
        """For each row the place of the best view row it can see, null where there is none."""
        written = keys.dtype != self._entities.dtype
        if written not in self._seen:
            # Keys of two types are the same key when they are written the same.
            self._seen[written] = _seen(self._entities.cast(pl.String) if written else self._entities, self._order)
        asking = (
            pl.DataFrame({_KEY: keys.cast(pl.String) if written else keys, _AT: moments.cast(TIME)}).with_row_index(_PLACE).drop_nulls()
        )
        if not asking[_AT].is_sorted():
            asking = asking.sort(_AT)
        answers = asking.join_asof(
            self._seen[written], left_on=_AT, right_on=_SEEN, by_left=_KEY, by_right=_ENTITY, strategy="backward", check_sortedness=False
        )
        best: pl.Series = pl.repeat(None, keys.len(), dtype=pl.UInt32, eager=True).alias(_BEST)
        return best.scatter(answers[_PLACE], answers[_BEST])


def _seen(entities: pl.Series, order: Sequence[pl.Series]) -> pl.DataFrame:
    """What is the best row of an entity from each moment on; best is last in `order`, so a running maximum finds it."""
    rows = pl.DataFrame({_ENTITY: entities, **{str(n): series.cast(TIME) for n, series in enumerate(order)}}).with_row_index(_BEST)
    seen = rows.select(_ENTITY, _BEST, pl.max_horizontal(*(str(n) for n in range(len(order)))).alias(_SEEN))
    if seen[_SEEN].is_sorted():
        return seen
    return seen.sort(_SEEN, maintain_order=True).with_columns(pl.col(_BEST).cum_max().over(_ENTITY))
