"""How the datasets behind the feature views come in: late, or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.watching import Reading
from noria.loop.lineage import newest_version
from noria.loop.monitors.span import Span
from noria.loop.source import views
from noria.loop.world import World
from noria.ports.tables import scan
from noria.stages.monitoring.arrivals import Arrivals, at_ends, look, readings

FLOOR = timedelta(minutes=15)
"""A delay that is never worth a word."""


def read(span: Span) -> list[Reading]:
    """Two readings for each dataset behind a view: of its rows' delay, and of its newest row's age."""
    found: list[Reading] = []
    for name, delayed in sources(span.declared.loop).items():
        seen = arrivals(span.world, name, at=span.end, every=span.watch.every, usual_until=span.watched.since, floor=span.watch.late)
        if seen is not None:
            found += readings(seen, loop=span.loop, delayed=delayed)
    return found


def sources(loop: Loop) -> dict[str, bool]:
    """Datasets behind the loop's views, and whether each says when its rows became known."""
    return {view.dataset.name: bool(view.dataset.known) for view in views(loop)}


def arrivals(world: World, dataset: str, *, at: datetime, every: timedelta, usual_until: datetime, floor: timedelta) -> Arrivals | None:
    """How a dataset has been coming in; None where no version of it was taken yet."""
    version = newest_version(world.documents, dataset)
    if version is None:
        return None
    oldest = datetime.fromtimestamp(int(at_ends(at, every, usual_until)[0]) / 1000, tz=at.tzinfo) - 2 * every
    seen = pl.max_horizontal(pl.col(version.time), pl.col(version.known)) if version.known else pl.col(version.time)
    columns = [version.time, *([version.known] if version.known else [])]
    rows = scan(version, blobs=world.blobs, columns=columns, known_by=at, since=oldest)
    frame = rows.select(pl.col(version.time).alias("time"), seen.alias("seen")).drop_nulls().collect()
    return look(frame, dataset=dataset, at=at, every=every, usual_until=usual_until, floor=floor)
