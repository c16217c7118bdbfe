"""What a monitor has read before: the only thing that says what is usual for a service."""

from __future__ import annotations

from math import isfinite

from noria.core.watching import Level, Reading
from noria.loop.monitors.span import Span
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS

MOST = 60
"""Past readings that say what is usual."""


def past(span: Span, monitor: str, subject: str) -> list[float]:
    """Past values, oldest first, without breaches: of this champion, or of all before it as long as it has too few."""
    where = {"loop": span.loop, "monitor": monitor, "subject": subject}
    read = span.world.documents.find(Reading, where=where, newest_first=True, limit=MOST)[::-1]
    calm = [one for one in read if one.level is not Level.BREACH and isfinite(one.value)]
    own = [one.value for one in calm if one.time > span.watched.since]
    return own if len(own) >= FEWEST_CHUNKS else [one.value for one in calm]
