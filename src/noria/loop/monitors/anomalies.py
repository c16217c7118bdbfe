"""Single requests that are far from all that the champion was trained on: their share, and a queue of the farthest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from noria.core.anomalies import AnomalousRequest, AnomalyReference
from noria.core.traffic import Answer, Scalar
from noria.core.watching import Reading
from noria.loop.anomalies import push
from noria.loop.monitors.asked import answered, asked
from noria.loop.monitors.span import Span, feature_frame
from noria.ports import wire
from noria.ports.tables import kept_frame
from noria.stages.monitoring import anomalies

MONITOR = anomalies.MONITOR


def read(span: Span) -> list[Reading]:
    """Read the share of anomalous requests, and queue the farthest; nothing for a version without such a reference."""
    content = span.beside
    if content is None:
        return []
    known = wire.load(content, AnomalyReference)
    sample = kept_frame(known.sample, span.world.blobs)
    rows = asked(span)
    scores = anomalies.scored(known, sample, rows)
    farthest = [int(place) for place in np.argsort(-scores, kind="stable")[: span.watch.keep] if scores[place] > known.threshold]
    found = [(answered(span, rows["request_id"][place]), float(scores[place])) for place in farthest]
    queued = [_queued(span, known, sample, row, score) for row, score in found if row.height]
    span.also.extend(push(span.world.documents, span.loop, sorted(queued, key=lambda one: one.time)))
    return [anomalies.measure(known, scores, loop=span.loop, at=span.end, min_rows=span.watch.min_rows)]


def _queued(span: Span, known: AnomalyReference, sample: pl.DataFrame, row: pl.DataFrame, score: float) -> AnomalousRequest:
    features = feature_frame(row, span.signature)
    far, neighbours = anomalies.reasons(known, sample, features)
    return AnomalousRequest(
        loop=span.loop,
        number=0,
        request_id=row["request_id"][0],
        version=int(row["version"][0]),
        time=row["time"][0],
        score=score,
        threshold=known.threshold,
        far=far,
        neighbours=neighbours,
        features=_scalars(features),
        inputs={name.removeprefix("in:"): value for name, value in _scalars(row).items() if name.startswith("in:")},
        answer=_answer(row),
    )


def _scalars(row: pl.DataFrame) -> Mapping[str, Scalar]:
    """One row as JSON can hold it."""
    named = row.to_dicts()[0] if row.width else {}
    return {name: value if isinstance(value, (bool, int, float, str, type(None))) else str(value) for name, value in named.items()}


def _answer(row: pl.DataFrame) -> Answer | None:
    many: Sequence[float] | None = row["answers"][0] if "answers" in row.columns else None
    return tuple(float(one) for one in many) if many is not None else row["answer"][0]
