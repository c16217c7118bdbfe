"""Some of a chunk's requests with all their features: what looks at whole rows reads no more than it needs."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from noria.loop.monitors.span import GIVEN, Span, logged_as
from noria.stages.monitoring.thinning import thinned
from noria.stages.serving import log, spans
from noria.stages.serving.parts import relisted

MOST_ROWS = 20_000
"""Requests of a chunk that are looked at as whole rows, spread evenly over it."""

_ID = "request_id"


def asked(span: Span) -> pl.DataFrame:
    """Features of at most `MOST_ROWS` requests that a user was answered, one row each, with its `request_id`.

    Bounded in memory: features are read a few dozen at a time, from one slice of the log after
    another, and only the chosen rows of each are kept.
    """
    return relisted(lambda: _read(span))


def _read(span: Span) -> pl.DataFrame:
    given = spans.given(span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN)
    some = replace(given, rows=thinned(given.rows, MOST_ROWS, 0))
    names = {feature.name: logged_as(feature.name) for feature in span.signature.features}
    found: dict[str, list[pl.Series]] = {name: [] for name in (_ID, *names)}
    for piece in some.pieces({_ID: ("request_id",), **names}):
        for column in piece:
            found[column.name].append(column)
    columns = [_joined(name, pieces) for name, pieces in found.items() if pieces]
    return pl.DataFrame([column for column in columns if column.dtype != pl.Null])


def answered(span: Span, request_id: str) -> pl.DataFrame:
    """All that the log holds of the answer that a user was given to one request; no rows when it is gone."""
    rows = log.find(span.world.log_folder, span.loop, request_id)
    return rows.filter(pl.col("role").is_in([str(role) for role in GIVEN])).head(1)


def _joined(name: str, pieces: list[pl.Series]) -> pl.Series:
    """The pieces under each other; a part that lacked the column, or held whole numbers, gives way to the others' type."""
    return pl.concat([piece.to_frame() for piece in pieces], how="diagonal_relaxed")[name]
