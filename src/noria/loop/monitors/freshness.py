"""Age of the champion's newest training row."""

from __future__ import annotations

from noria.core.watching import Reading
from noria.loop.monitors.span import Span
from noria.stages.monitoring import freshness


def read(span: Span) -> list[Reading]:
    """How old what the champion learnt from is by now; nothing where no age was declared."""
    if span.watch.older_than is None:
        return []
    return [freshness.age(span.watched.newest_row, loop=span.loop, at=span.end, older_than=span.watch.older_than)]
