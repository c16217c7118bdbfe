"""Quality estimated before outcomes come, of the champion's own newest answers."""

from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.schema import Signature, Task
from noria.core.watching import Reading
from noria.loop.estimating import estimator
from noria.loop.monitors.span import OWN, Span, feature_frame
from noria.loop.outcomes import answers
from noria.packaging.encoding import encode
from noria.ports.tables import DTYPES, as_kind
from noria.stages.monitoring.estimated import reading
from noria.stages.monitoring.trust import trust
from noria.stages.serving import log


def read(span: Span) -> list[Reading]:
    """What quality probably is over the newest window; none where it cannot be said."""
    kept, one, signature = span.watched.held, span.watch, span.signature
    if kept is None:
        return []
    rows = log.predictions(
        span.world.log_folder,
        span.loop,
        since=max(span.end - one.window, span.watched.since),
        until=span.end,
        roles=OWN,
        versions=[span.watched.version.number],
    )
    column = "answers" if signature.task is Task.MULTICLASS else "answer"
    rows = rows.drop_nulls(column) if column in rows.columns else rows.head(0)
    known = feature_frame(rows, signature)
    estimate = estimator(
        one.metric,
        signature,
        span.watched.reference,
        kept,
        X=lambda: _matrix(known, signature),
        scores=answers(rows, signature.task) if rows.height else rows["answer"].to_numpy(),
        days=rows["time"].dt.truncate("1d").n_unique(),
    )
    if estimate is None:
        return []
    return [
        reading(one.metric, rows.height, estimate, lambda: trust(kept.sample, known), loop=span.loop, at=span.end, min_rows=one.min_rows)
    ]


def _matrix(known: pl.DataFrame, signature: Signature) -> np.ndarray:
    """The features as the model's matrix; one that was never sent is missing throughout."""
    columns = [
        as_kind(known[field.name], field.kind)
        if field.name in known.columns
        else pl.repeat(None, known.height, dtype=DTYPES[field.kind], eager=True).alias(field.name)
        for field in signature.features
    ]
    return encode(pl.DataFrame(columns), signature.features)
