"""What one chunk of traffic leaves in counts: read once, piece by piece, and shared by all that look at it."""

from __future__ import annotations

from typing import cast

import polars as pl

from noria.core.moments import to_ms
from noria.core.schema import Task
from noria.loop.monitors.span import GIVEN, Span, logged_as
from noria.loop.outcomes import coded, score_of
from noria.stages.monitoring.counting import ChunkCounts, Counted, count, nothing
from noria.stages.monitoring.reading import Look
from noria.stages.monitoring.reference import answers_of
from noria.stages.serving import log, spans
from noria.stages.serving.parts import relisted


def counts_of(span: Span) -> ChunkCounts:
    """The counts of all features that the user's requests had, and of the champion's answers to them."""
    place = f"counts {to_ms(span.start)} {to_ms(span.end)}"
    if place not in span.kept:
        span.kept[place] = relisted(lambda: _read(span))
    return cast(ChunkCounts, span.kept[place])


def outcome_of(span: Span) -> Counted | None:
    """The count of what happened to requests whose outcomes are due at the end of the chunk; None without a reference of them."""
    reference, delay = span.watched.reference.outcome, span.declared.loop.label.delay
    since, until = max(span.start - delay, span.watched.since), span.end - delay
    if reference is None:
        return None
    if since >= until:
        return nothing(reference)
    rows = log.labelled(span.world.log_folder, span.loop, since=since, until=until, roles=GIVEN, columns=["request_id"])
    told = rows.unique("request_id", keep="any")["outcome"]
    return count(reference, _named(told, span) if span.signature.task is Task.MULTICLASS else told)


def look_of(span: Span) -> Look:
    """What all readings of this chunk share."""
    warmup = span.watch.warmup
    return Look(
        loop=span.loop,
        at=span.end,
        start=span.start,
        min_rows=span.watch.min_rows,
        warm_until=None if warmup is None else span.watched.since + warmup,
    )


def _read(span: Span) -> ChunkCounts:
    reference = span.watched.reference
    given = spans.given(span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN)
    found = {feature.name: nothing(feature) for feature in reference.features}
    by_name = {feature.name: feature for feature in reference.features}
    for piece in given.pieces({name: logged_as(name) for name in by_name}):
        for column in piece:
            found[column.name] = found[column.name] + count(by_name[column.name], column)
    score = None
    ours = given.rows.filter(pl.col("version") == span.watched.version.number)
    if reference.score is not None and ours.height:
        ours = ours.filter(pl.col("answer").is_not_null()) if span.signature.task is not Task.MULTICLASS else ours.drop_nulls("answers")
        score = count(reference.score, answers_of(score_of(ours, span.signature.task)))
    return ChunkCounts(features=found, score=score)


def _named(told: pl.Series, span: Span) -> pl.Series:
    """Outcomes of many classes by the name of their class; one that the model has never met by its own."""
    places = coded(told, span.signature)
    names = places.replace_strict(dict(enumerate(span.signature.classes)), default=None, return_dtype=pl.String)
    return pl.select(pl.coalesce(names, told.cast(pl.String))).to_series()
