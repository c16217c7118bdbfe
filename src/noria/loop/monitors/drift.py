"""Drift and missing values of each feature, and drift of the answers."""

from __future__ import annotations

import polars as pl

from noria.core.watching import Reading
from noria.loop.monitors.span import GIVEN, Span, feature_frame
from noria.loop.outcomes import score_of
from noria.stages.monitoring import drift
from noria.stages.serving import log


def read(span: Span) -> list[Reading]:
    """Hold the chunk's requests against the reference of the champion."""
    rows = log.predictions(span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN)
    rows = rows.unique("request_id", keep="any", maintain_order=True) if rows.height else rows
    ours = rows.filter((pl.col("version") == span.watched.version.number) & (pl.col("answer").is_not_null())) if rows.height else rows
    return drift.measure(
        span.watched.reference,
        feature_frame(rows, span.signature) if rows.height else pl.DataFrame(),
        loop=span.loop,
        at=span.end,
        floor=span.watch.floor,
        min_rows=span.watch.min_rows,
        scores=score_of(ours, span.signature.task) if ours.height else None,
    )
