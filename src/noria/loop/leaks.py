"""The check between features and training: whether the table holds the answer, and what else would spoil the marks."""

from __future__ import annotations

import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.errors import LeakageFound
from noria.core.examination.leakage import LeakageReport
from noria.core.training import FeatureSet
from noria.loop.source import views
from noria.loop.workshop import Order
from noria.ports.blobs import Blobs
from noria.ports.tables import scan
from noria.stages.evaluation.leak_table import Table
from noria.stages.evaluation.leakage import look_over
from noria.stages.features import assemble
from noria.stages.training import splits

SHOWN = 10


def checked(loop: Loop, order: Order, features: FeatureSet, frame: pl.DataFrame, blobs: Blobs) -> LeakageReport:
    """Every finding on this turn's table; a check that cannot be made is told as skipped."""
    _, _, judged = splits.holdout(features, frame)
    table = Table(
        frame=frame,
        trains=frame.height - judged.height,
        fields=features.features,
        task=features.task,
        groups=assemble.load_groups(features, blobs=blobs),
        late=_late(loop, order, blobs),
    )
    return look_over(table, loop.leakage)


def refusal(report: LeakageReport) -> LeakageFound:
    """What ends the turn, in words: all that stops it, and how to go on."""
    listed = "\n".join(f"  {number}. {finding}" for number, finding in enumerate(report.stops[:SHOWN], 1))
    more = f"\n  and {len(report.stops) - SHOWN} more" if len(report.stops) > SHOWN else ""
    first = report.stops[0]
    allow = f"{first.check}:{first.column}" if first.column else first.check
    return LeakageFound(
        f'{len(report.stops)} finding(s) before training:\n{listed}{more}\n  where it is meant to be so: leakage=nr.Leakage(allow=["{allow}"])'
    )


def _late(loop: Loop, order: Order, blobs: Blobs) -> dict[str, str]:
    """Features of views whose dataset does not say when its rows became known, with the view's name."""
    late: dict[str, str] = {}
    for view in views(loop):
        if not view.dataset.known:
            version = order.datasets[view.dataset.name]
            made = view.transform(scan(version, blobs=blobs).head(0)).lazy().collect_schema().names()
            late |= dict.fromkeys((name for name in made if name not in (view.entity, version.time)), view.name)
    return late
