"""Drift that no feature shows by itself."""

from __future__ import annotations

from io import BytesIO

import polars as pl

from noria.core.joint import JointReference
from noria.core.watching import Reading
from noria.loop.beside import name_of
from noria.loop.monitors.asked import asked
from noria.loop.monitors.span import Span
from noria.ports import wire
from noria.stages.monitoring import joint

MONITOR = joint.MONITOR


def read(span: Span) -> list[Reading]:
    """Hold the chunk's requests against what features looked like together; nothing for a version without such a reference."""
    digest = span.watched.reference.beside.get(name_of(span.watch))
    if digest is None:
        return []
    blobs = span.world.blobs
    known = wire.load(blobs.read(digest), JointReference)
    sample = pl.read_parquet(BytesIO(blobs.read(known.sample)))
    return joint.measure(
        known, sample, asked(span).drop("request_id", strict=False), loop=span.loop, at=span.end, min_rows=span.watch.min_rows
    )
