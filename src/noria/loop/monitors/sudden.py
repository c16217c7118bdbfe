"""Streams of requests through detectors that see a sudden change within minutes; what they remember is kept with the readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from noria.core.schema import Task
from noria.core.streaming import StreamState
from noria.core.traffic import Role
from noria.core.watching import Level, Reading
from noria.loop.monitors.span import GIVEN, Span
from noria.loop.outcomes import score_of
from noria.stages.monitoring import sudden
from noria.stages.serving import log

COLUMNS = ("time", "version", "role", "error", "latency_us", "answer")
"""What is read of the log."""

CALM = timedelta(hours=1)
"""So long after the last alarm a stream is well again."""


def read(span: Span) -> list[Reading]:
    """Take new rows into each stream's detector.

    A reading is given when there is an alarm, when it has been calm for an hour, and once a day:
    a look every ten minutes would fill the records with nothing.
    """
    found: list[Reading] = []
    # What came in the last moments may still be on its way to the log.
    until = span.end - 2 * span.world.cadence.compact
    number = span.watched.version.number
    rows: dict[datetime, pl.DataFrame] = {}
    for subject in span.watch.monitors:
        known = span.world.documents.get(StreamState, f"{span.loop}/{subject}")
        if known is None or known.version != number:
            known = StreamState(
                loop=span.loop, subject=subject, version=number, until=max(span.watched.since, span.start - span.watch.every)
            )
        if known.until not in rows:
            wanted = [*COLUMNS, *(["answers"] if span.signature.task is Task.MULTICLASS else [])]
            rows[known.until] = log.predictions(
                span.world.log_folder, span.loop, since=known.until, until=until, roles=GIVEN, columns=wanted
            )
        times, values = _stream(rows[known.until], subject, span)
        state, reading = _looked(span, known, times, values)
        span.also.append(span.world.documents.write(replace(state, until=until)))
        found += [reading] if reading else []
    return found


def _stream(rows: pl.DataFrame, subject: str, span: Span) -> tuple[pl.Series, np.ndarray]:
    """The moments and values of one stream, in order of time."""
    if subject == "errors":
        # Where a challenger fails the champion answers, in a row of its own; guards look after the challenger.
        felt = rows.filter(~((pl.col("role") == Role.CHALLENGER) & (pl.col("error") != "")))
        return felt["time"], (felt["error"] != "").cast(pl.Float64).to_numpy()
    answered = rows.filter(pl.col("error") == "")
    if subject == "latency":
        return answered["time"], answered["latency_us"].to_numpy() / 1000
    own = answered.filter(pl.col("version") == span.watched.version.number)
    column = "answers" if span.signature.task is Task.MULTICLASS else "answer"
    own = own.drop_nulls(column) if column in own.columns else own.head(0)
    return own["time"], score_of(own, span.signature.task) if own.height else np.empty(0)


def _looked(span: Span, state: StreamState, times: pl.Series, values: np.ndarray) -> tuple[StreamState, Reading | None]:
    daily = span.end.date() != span.start.date()
    if not state.ready:
        state = replace(state, usual=sudden.learn(state.usual, values))
        began, wanted = span.watched.since, span.watch.warmup or timedelta(days=1)
        if sudden.enough_learnt(state.usual, began, span.end, at_least_s=wanted.total_seconds()):
            rows = state.usual.rows * (span.watch.window / max(span.end - began, timedelta(minutes=1)))
            return sudden.begun(state, detector=span.watch.statistic, rows_between_alarms=rows), None
        return state, _reading(
            span, state, values, Level.NOT_ENOUGH, f"what is usual is being learnt, from {state.usual.rows:,} rows so far"
        ) if daily else None
    state, at = sudden.seen(state, values)
    if at is not None:
        moment = times[at]
        state = replace(state, alarms=(*state.alarms, moment)[-20:])
        note = f"changed by {moment:%H:%M:%S} UTC: {_said(state, values)}"
        return state, _reading(span, state, values, Level.BREACH, note)
    since = span.end - state.alarms[-1] if state.alarms else None
    calmed = since is not None and CALM <= since < CALM + span.watch.every
    if calmed or (daily and (since is None or since >= CALM)):
        return state, _reading(span, state, values, Level.OK, _said(state, values))
    return state, None


def _said(state: StreamState, values: np.ndarray) -> str:
    told = sudden.as_values(state, values[np.isfinite(values)])
    mean, usual = float(told.mean()) if len(told) else float("nan"), state.usual.mean
    if state.subject == "predictions":
        return f"mean answer {mean:.4g} over {len(told):,} rows, usually {usual:.4g}"
    what = "requests failed" if state.subject == "errors" else f"answers took more than {state.usual.level:.0f} ms"
    return f"{mean:.1%} of {len(told):,} {what}, usually {usual:.2%}"


def _reading(span: Span, state: StreamState, values: np.ndarray, level: Level, note: str) -> Reading:
    told = sudden.as_values(state, values[np.isfinite(values)])
    value = float(told.mean()) if len(told) else float("nan")
    limit = sudden.limit_of(state, value) if state.ready else float("nan")
    reach = abs(limit - state.usual.mean)
    effect = abs(value - state.usual.mean) / reach - 1 if state.ready and reach and value == value else 0.0
    return Reading(
        loop=span.loop,
        monitor=f"sudden-{state.subject}",
        subject=state.subject,
        time=span.end,
        value=value,
        threshold=limit,
        level=level,
        rows=len(told),
        effect=effect,
        note=note,
    )
