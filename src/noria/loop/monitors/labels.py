"""How outcomes come in, and the curve by which they do."""

from __future__ import annotations

from datetime import timedelta
from math import nan

import polars as pl

from noria.core.watching import Reading
from noria.loop.monitors.past import past
from noria.loop.monitors.span import Span
from noria.loop.performance import curve_of, known_rows
from noria.stages.monitoring import labels
from noria.stages.serving import log

REACH = timedelta(days=60)
"""How far back the predictions reach that the curve is drawn from, at least; ten delays where those are longer."""

MOST_ROWS = 500_000
"""About so many of them at most, the newest, where traffic is heavy."""


def read(span: Span) -> list[Reading]:
    """Whether due outcomes have come, and how late those of this chunk were; the curve is kept beside the readings.

    Predictions are due when they are as old as the declared delay. An outcome of this chunk is one
    that was first told in it.
    """
    one, label = span.watch, span.declared.loop.label
    delay = label.delay if one.delay is None else one.delay
    far = max(span.end - max(REACH, 10 * delay), log.newest(span.world.log_folder, span.loop, until=span.end, rows=MOST_ROWS))
    rows = known_rows(span.world.log_folder, span.loop, span.signature, as_of=span.end, since=min(far, span.start - delay))
    due = rows.filter(pl.col("time").is_between(span.start - delay, span.end - delay, closed="left"))
    told = rows.filter(pl.col("told_at").is_between(span.start, span.end, closed="left"))
    span.also.append(span.world.documents.write(curve_of(rows, span.loop, span.end)))
    return [
        labels.coverage(
            int(due["came"].sum()),
            due.height,
            past(span, labels.COVERAGE, labels.SUBJECT),
            at_least=nan if one.at_least is None else one.at_least,
            loop=span.loop,
            at=span.end,
            min_rows=one.min_rows,
        ),
        labels.delay(
            told["age_s"].to_numpy(),
            past(span, labels.DELAY, labels.SUBJECT),
            at_most_s=nan if one.delay is None else one.delay.total_seconds(),
            loop=span.loop,
            at=span.end,
            min_rows=one.min_rows,
        ),
    ]
