"""Drift that no feature shows by itself."""

from __future__ import annotations

from io import BytesIO

import polars as pl

from noria.core.joint import JointReference
from noria.core.watching import Reading
from noria.loop.beside import name_of
from noria.loop.monitors.span import GIVEN, Span, feature_frame
from noria.ports import wire
from noria.stages.monitoring import joint
from noria.stages.serving import log

MONITOR = joint.MONITOR


def read(span: Span) -> list[Reading]:
    """Hold the chunk's requests against what features looked like together; nothing for a version without such a reference."""
    digest = span.watched.reference.beside.get(name_of(span.watch))
    if digest is None:
        return []
    blobs = span.world.blobs
    known = wire.load(blobs.read(digest), JointReference)
    sample = pl.read_parquet(BytesIO(blobs.read(known.sample)))
    return joint.measure(known, sample, asked(span), loop=span.loop, at=span.end, min_rows=span.watch.min_rows)


def asked(span: Span) -> pl.DataFrame:
    """Features of the chunk's requests, one row per request that a user was answered."""
    held = [f"{place}:{feature.name}" for feature in span.signature.features for place in ("f", "in")]
    rows = log.predictions(span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN, columns=["request_id", *held])
    rows = rows.unique("request_id", keep="any", maintain_order=True)
    return feature_frame(rows.drop(name for name, kind in rows.schema.items() if kind == pl.Null), span.signature)
