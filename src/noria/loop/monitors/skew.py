"""Train/serve skew: logged requests through the offline path again, and what each feature view had for them."""

from __future__ import annotations

from math import nan

import polars as pl

from noria.core.watching import Reading
from noria.loop.monitors.past import past
from noria.loop.monitors.span import OWN, Span
from noria.loop.parity import declared_by, parity_of, sources
from noria.loop.source import views
from noria.stages.features.ages import view_ages
from noria.stages.monitoring import skew
from noria.stages.serving import log


def read(span: Span) -> list[Reading]:
    """Compare a sample of the chunk's own answers, feature by feature, and look at each view's age and fill."""
    world, version, one = span.world, span.watched.version, span.watch
    rows = log.predictions(world.log_folder, span.loop, since=span.start, until=span.end, roles=OWN, versions=[version.number])
    rows = rows.filter(pl.col("error") == "")
    if rows.is_empty():
        return []
    logged = rows if rows.height <= one.keep else rows.sample(one.keep, seed=version.number).sort("time", maintain_order=True)
    declared = declared_by(world, span.loop, version)
    taken = sources(world, declared)
    report = parity_of(world, declared, version, logged, taken)
    counts = {feature: report.differing.get(feature, 0) for feature in report.features}
    equal = 0.99 if one.at_least is None else one.at_least
    found = skew.skew(counts, report.rows, report.examples, equal=equal, loop=span.loop, at=span.end, min_rows=one.min_rows)
    for view in views(declared.loop):
        if f"in:{view.key}" not in logged.columns:
            continue
        known = view_ages(view, logged[f"in:{view.key}"], logged["time"], taken[view.dataset.name], blobs=world.blobs)
        served = [f"f:{name}" for name in known.columns if f"f:{name}" in logged.columns]
        empty = logged.select(pl.all_horizontal(pl.col(served).is_null()).sum()).item() if served else logged.height
        found.append(
            skew.missing(
                view.name,
                int(empty),
                logged.height,
                past(span, skew.MISSING, view.name),
                loop=span.loop,
                at=span.end,
                min_rows=one.min_rows,
            )
        )
        ttl_s = nan if view.ttl is None else view.ttl.total_seconds()
        ages = known.age_s.fill_null(nan).to_numpy()
        found.append(
            skew.age(view.name, ages, past(span, skew.AGE, view.name), ttl_s=ttl_s, loop=span.loop, at=span.end, min_rows=one.min_rows)
        )
    return found
