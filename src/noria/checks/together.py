"""Drift that no column shows by itself: whether rows still fit their usual relations, and whether a classifier can tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import polars as pl

from noria.checks.drifting import FROM_NOWHERE, numbered
from noria.core.schema import Field, Kind
from noria.core.watching import Reading
from noria.stages.monitoring import joint


def together(
    before: pl.DataFrame,
    now: pl.DataFrame,
    fields: Sequence[Field],
    *,
    time: str,
    chunk: timedelta | None,
    at: datetime,
    min_rows: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, tuple[Reading, ...]]:
    """Readings of the reconstruction error and of the domain classifier: of the whole, or one for each chunk, oldest first.

    By chunk, limits are calibrated on the reference's chunks, which takes a classifier for each of them.
    Of wholes only the classifier is read: what chance does to it is known, while the reconstruction
    knows the rows that it was fitted to, and other rows of the same world fit a little worse.
    """
    judged = [field for field in fields if field.kind is not Kind.TIME]
    moments = pl.col(time) if chunk else FROM_NOWHERE
    rows = before.with_columns(moments.alias("__time"))
    reference = joint.build(rows, judged, chunk=chunk or timedelta(days=1))
    sample = joint.sample_of(rows, reference)
    parts = numbered(now, time, chunk) if chunk else [(at, now)]
    series: dict[str, list[Reading]] = {}
    for done, (end, part) in enumerate(parts):
        progress(done, len(parts))
        for one in joint.measure(reference, sample, part, loop="", at=end, min_rows=min_rows):
            if chunk or one.subject == joint.DOMAIN:
                series.setdefault(one.subject, []).append(one)
    return {subject: tuple(found) for subject, found in series.items()}
