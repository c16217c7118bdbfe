"""Drift that no feature shows by itself."""

from __future__ import annotations

from noria.core.joint import JointReference
from noria.core.watching import Reading
from noria.loop.monitors.asked import asked
from noria.loop.monitors.span import Span
from noria.ports import wire
from noria.ports.tables import kept_frame
from noria.stages.monitoring import joint

MONITOR = joint.MONITOR


def read(span: Span) -> list[Reading]:
    """Hold the chunk's requests against what features looked like together; nothing for a version without such a reference."""
    content = span.beside
    if content is None:
        return []
    known = wire.load(content, JointReference)
    sample = kept_frame(known.sample, span.world.blobs)
    return joint.measure(
        known, sample, asked(span).drop("request_id", strict=False), loop=span.loop, at=span.end, min_rows=span.watch.min_rows
    )
