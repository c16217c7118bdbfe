"""What a candidate goes by, over its held-out rows: a subject of the examination."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from noria.core.examination.explaining import Explained, FeatureParts
from noria.core.schema import Field, Task
from noria.loop.materials import Materials
from noria.packaging import package
from noria.packaging.encoding import encode
from noria.ports.blobs import Blobs
from noria.ports.tables import keep_frame, kept_frame
from noria.stages.evaluation.explanations import asking, explain, subject_of
from noria.stages.evaluation.partial import partial

ROWS = 200
"""Rows that are explained; fewer where each costs many answers."""
SAMPLED_ROWS = 30
SAMPLED_BUDGET = 4_000
POINTS = 100
PICTURED = 8
"""Features whose dependence is pictured."""
KEPT = 1_000
"""Rows kept to hold single answers against."""


def explained(on: Materials) -> Explained:
    """Parts of some answers, how answers move with the leading features, and rows for explanations to come."""
    native = package.load(on.candidate.artifact, blobs=on.blobs, form="native", python=True)
    random = np.random.default_rng(on.loop.seed)
    kept = np.sort(random.choice(len(on.X), min(KEPT, len(on.X)), replace=False))
    X, fields = on.X[kept], on.features.features
    place = int(np.bincount(on.score.argmax(axis=1)).argmax()) if on.task is Task.MULTICLASS else 0
    rows = ROWS if native.explained_by else SAMPLED_ROWS
    found = explain(native, X[:rows], X, place=place, seed=on.loop.seed, budget=SAMPLED_BUDGET)
    sizes = np.abs(found.parts).mean(axis=0)
    order = np.argsort(-sizes, kind="stable").tolist()
    ask, subject = asking(on.scorer, place), subject_of(on.candidate.signature, place)
    return Explained(
        method=found.method,
        scale=found.scale,
        subject=subject,
        background=_kept(on, kept),
        rows=rows,
        features=tuple(_parts(fields[at].name, found.parts[:, at], X[:rows, at]) for at in order),
        partial=tuple(partial(ask, X, fields, at, subject=subject, seed=on.loop.seed) for at in order[:PICTURED] if sizes[at] > 0),
    )


def background_of(digest: str, blobs: Blobs, features: Sequence[Field]) -> tuple[np.ndarray, pl.DataFrame]:
    """The kept rows again, as matrix and raw."""
    rows = kept_frame(digest, blobs)
    return encode(rows, features), rows


def _kept(on: Materials, kept: np.ndarray) -> str:
    rows = on.judged[kept].select([feature.name for feature in on.features.features])
    score = on.score[kept] if on.score.ndim == 1 else on.score[kept].max(axis=1)
    return keep_frame(rows.with_columns(pl.Series("__score", score)), on.blobs)


def _parts(feature: str, parts: np.ndarray, values: np.ndarray) -> FeatureParts:
    known = np.isfinite(values)
    ranks = np.full(len(values), -1.0)
    if known.any():
        _, level = np.unique(values[known], return_inverse=True)
        ranks[known] = level / max(level.max(), 1)
    points = tuple((round(float(rank), 3), round(float(part), 6)) for rank, part in zip(ranks[:POINTS], parts[:POINTS], strict=True))
    return FeatureParts(feature=feature, size=float(np.abs(parts).mean()), mean=float(parts.mean()), points=points)
