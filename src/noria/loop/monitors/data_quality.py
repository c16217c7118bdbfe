"""Whether what flowed by is still what it should be: there, of its kind, in its range, known, and as varied as ever."""

from __future__ import annotations

from noria.core.watching import Reading
from noria.loop.monitors.counted import counts_of, look_of, outcome_of
from noria.loop.monitors.span import Span
from noria.stages.monitoring import data_quality
from noria.stages.monitoring.counting import with_answers


def read(span: Span) -> list[Reading]:
    """Hold the chunk's features, answers and outcomes against the reference of the champion.

    Missing features are left to a drift watch where there is one: it reads them as it always did.
    """
    counts = with_answers(counts_of(span), outcome=outcome_of(span))
    found = data_quality.readings(span.watched.reference, counts, look_of(span), monitors=span.watch.monitors)
    if not any(one.check == "drift" for one in span.declared.loop.watch):
        return found
    features = {feature.name for feature in span.watched.reference.features}
    return [reading for reading in found if reading.monitor != "missing" or reading.subject not in features]
