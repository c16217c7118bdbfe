"""Errors and latencies of a chunk of requests."""

from __future__ import annotations

from math import nan

import polars as pl

from noria.core.traffic import Role
from noria.core.watching import Reading
from noria.loop.monitors.past import past
from noria.loop.monitors.span import GIVEN, Span
from noria.stages.monitoring import operations
from noria.stages.serving import log


def errors(span: Span) -> list[Reading]:
    """The share of requests that got no answer, and of those that the champion answered in a challenger's place."""
    rows = log.predictions(
        span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN, columns=["request_id", "role", "error"]
    )
    asked = rows["request_id"].n_unique()
    answered = rows.filter(pl.col("error") == "")["request_id"].n_unique()
    fallbacks = rows.filter(pl.col("role") == Role.FALLBACK)["request_id"].n_unique()
    counts = {"failed": asked - answered, "fallbacks": fallbacks}
    before = {subject: past(span, operations.ERRORS, subject) for subject in counts}
    at_most = nan if span.watch.at_most is None else span.watch.at_most
    return operations.errors(counts, asked, before, loop=span.loop, at=span.end, at_most=at_most, min_rows=span.watch.min_rows)


def slow(span: Span) -> list[Reading]:
    """How long users waited for their answers."""
    rows = log.predictions(span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN, columns=["error", "latency_us"])
    latency_ms = rows.filter(pl.col("error") == "")["latency_us"].to_numpy() / 1000
    before = {subject: past(span, operations.LATENCY, subject) for subject in operations.QUANTILES}
    return operations.slowness(latency_ms, before, loop=span.loop, at=span.end, most=dict(span.watch.most), min_rows=span.watch.min_rows)
