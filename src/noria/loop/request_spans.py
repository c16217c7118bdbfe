"""Requests of the prediction log as spans, for a collector."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from noria.core.telemetry import Span, span_of, trace_of
from noria.loop.world import World
from noria.stages.serving import log

COLUMNS = ("request_id", "version", "role", "time", "latency_us", "error")


def spans_of_requests(world: World, loop: str, since: datetime, until: datetime, *, wanted: Callable[[str], bool]) -> list[Span]:
    """Each answer to a wanted request within [since, until) as a span; all answers to one request are one trace."""
    rows = log.predictions(world.log_folder, loop, since=since, until=until, columns=COLUMNS)
    return [
        Span(
            name=f"predict {loop}",
            trace=trace_of(f"{loop}/{request_id}"),
            id=span_of(f"{loop}/{request_id}/{role}"),
            start=time,
            end=time + timedelta(microseconds=latency_us),
            attributes={"noria.loop": loop, "noria.request": request_id, "noria.version": version, "noria.role": role},
            failed=error,
        )
        for request_id, version, role, time, latency_us, error in rows.iter_rows()
        if wanted(request_id)
    ]
