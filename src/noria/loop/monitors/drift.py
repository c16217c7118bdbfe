"""Drift and missing values of each feature, and drift of the answers and of what really happened."""

from __future__ import annotations

from noria.core.watching import Reading
from noria.loop.monitors.counted import counts_of, look_of, outcome_of
from noria.loop.monitors.span import Span
from noria.stages.monitoring import drift
from noria.stages.monitoring.counting import with_answers


def read(span: Span) -> list[Reading]:
    """Hold the chunk's requests against the reference of the champion."""
    counts = counts_of(span)
    if span.watch.outcome:
        counts = with_answers(counts, outcome=outcome_of(span))
    return drift.readings(
        span.watched.reference, counts, look_of(span), floor=span.watch.floor, statistic=span.watch.statistic, with_missing=True
    )
