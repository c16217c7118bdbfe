"""Looks at what flowed by, chunk after chunk: readings, monitor states, incidents, signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO

import numpy as np
import polars as pl

from noria.core.declaration.loop import Watch
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.registry import ModelVersion
from noria.core.schema import Estimate, Signature, Task
from noria.core.state import LoopState
from noria.core.traffic import Role
from noria.core.turning import Cause, Signal
from noria.core.watching import DriftReference, Incident, MonitorState, Reading
from noria.loop.outcomes import coded, score_of
from noria.loop.states import amend, state_of
from noria.loop.world import Declared, World
from noria.ports import wire
from noria.ports.records import Write
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring import drift, estimated, freshness, incidents, quality, states
from noria.stages.monitoring.due import due_chunks
from noria.stages.monitoring.trust import trust
from noria.stages.registry import versions
from noria.stages.serving import log

GIVEN = (Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK)
"""Answers that a user was given."""
OWN = (Role.CHAMPION, Role.FALLBACK)
"""The champion's own among them."""
MONITORS = {"drift": ("drift", "prediction-drift", "missing"), "quality": ("quality",), "freshness": ("freshness",)}
"""The monitors that each kind of watch feeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the monitors look at: the champion, since when it reigns, and what it was made from.

    Attributes:
        sample: Features of some rows that judged it; None = nothing can be estimated.
    """

    version: ModelVersion
    reference: DriftReference
    since: datetime
    newest_row: datetime
    sample: pl.DataFrame | None = None


def watch(world: World, declared: Declared, watched: Watched, now: datetime) -> int:
    """Look at every chunk that has closed since the last look; returns how many there were.

    Each chunk's readings, states, incidents and signals are committed at once with the mark up to
    which was looked, so a chunk is never judged twice, whoever looks.
    """
    looked_until = state_of(world.documents, declared.loop.name).watched_until
    if looked_until is not None and looked_until < watched.since:
        looked_until = None
    every = min((one.every for one in declared.loop.watch), default=timedelta(days=1))
    chunks = due_chunks(looked_until, now, every, watched.since)
    for start, end in chunks:
        readings = _readings(world, declared, watched, start, end)
        writes = _consequences(world, declared, watched, readings, end)
        amend(world.documents, declared.loop.name, _until(end), also=writes)
    return len(chunks)


def feature_frame(rows: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Features as the model saw them, from the prediction log's `in:` and `f:` columns."""
    columns = []
    for feature in signature.features:
        name = next((column for column in (f"f:{feature.name}", f"in:{feature.name}") if column in rows.columns), None)
        if name is not None:
            columns.append(pl.col(name).alias(feature.name))
    return rows.select(columns)


def _until(end: datetime) -> Callable[[LoopState], LoopState]:
    return lambda state: replace(state, watched_until=end)


def _readings(world: World, declared: Declared, watched: Watched, start: datetime, end: datetime) -> list[Reading]:
    found: list[Reading] = []
    for one in declared.loop.watch:
        chunk = _closed_chunk(one.every, watched.since, start, end)
        if chunk is None:
            continue
        if one.check == "drift":
            found += _drift(world, declared.loop.name, watched, one, *chunk)
        elif one.check == "quality":
            found.append(_quality(world, declared, watched, one, end))
            found += _estimated(world, declared.loop.name, watched, one, end)
        elif one.check == "freshness" and one.older_than is not None:
            found.append(freshness.age(watched.newest_row, loop=declared.loop.name, at=end, older_than=one.older_than))
    return found


def _closed_chunk(every: timedelta, origin: datetime, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    """The watch's own chunk, if one closed within (start, end]; chunks follow each other from `origin`."""
    closed = (end - origin) // every
    if closed == (start - origin) // every or closed < 1:
        return None
    return origin + (closed - 1) * every, origin + closed * every


def _drift(world: World, loop: str, watched: Watched, one: Watch, start: datetime, end: datetime) -> list[Reading]:
    signature = watched.version.candidate.signature
    rows = log.predictions(world.log_folder, loop, since=start, until=end, roles=GIVEN)
    rows = rows.unique("request_id", keep="any", maintain_order=True) if rows.height else rows
    ours = rows.filter((pl.col("version") == watched.version.number) & (pl.col("answer").is_not_null())) if rows.height else rows
    scores = score_of(ours, signature.task) if ours.height else None
    return drift.measure(
        watched.reference,
        feature_frame(rows, signature) if rows.height else pl.DataFrame(),
        loop=loop,
        at=end,
        floor=one.floor,
        min_rows=one.min_rows,
        scores=scores,
    )


def _quality(world: World, declared: Declared, watched: Watched, one: Watch, end: datetime) -> Reading:
    """Realised quality of the champion's own answers, over a window whose outcomes are due."""
    signature = watched.version.candidate.signature
    until = end - declared.loop.label.delay
    labelled = log.labelled(
        world.log_folder,
        declared.loop.name,
        since=max(until - one.window, watched.since),
        until=until,
        roles=OWN,
        versions=[watched.version.number],
    )
    labelled = labelled.with_columns(outcome=coded(labelled["outcome"], signature))
    labelled = labelled.drop_nulls(["answers" if signature.task is Task.MULTICLASS else "answer", "outcome"])
    meaning = metric(one.metric, signature.task)
    return quality.realised(
        one.metric,
        labelled,
        loop=declared.loop.name,
        at=end,
        reference=watched.reference.quality.get(one.metric, float("nan")),
        drop=one.drop,
        higher_is_better=meaning.higher_is_better,
        estimate=_estimator(one.metric, labelled, signature),
        min_rows=one.min_rows,
        chunk_sd=watched.reference.quality_chunk_sd.get(one.metric, float("nan")),
    )


def _estimated(world: World, loop: str, watched: Watched, one: Watch, end: datetime) -> list[Reading]:
    """What quality probably is over the newest window, whose outcomes need not be known; none where it cannot be said."""
    calibration, sample, signature = watched.reference.calibration, watched.sample, watched.version.candidate.signature
    if calibration is None or sample is None or one.metric not in estimated.FORMULAS:
        return []
    rows = log.predictions(
        world.log_folder,
        loop,
        since=max(end - one.window, watched.since),
        until=end,
        roles=OWN,
        versions=[watched.version.number],
    ).drop_nulls("answer")
    return [
        estimated.reading(
            one.metric,
            score_of(rows, signature.task),
            calibration,
            lambda: trust(sample, feature_frame(rows, signature)),
            loop=loop,
            at=end,
            min_rows=one.min_rows,
        )
    ]


def _estimator(name: str, labelled: pl.DataFrame, signature: Signature) -> Callable[[np.ndarray, np.ndarray], Estimate]:
    """Estimates with intervals that know that rows of one day are not independent."""
    days = labelled["time"].dt.epoch("d").to_numpy() if labelled.height else None
    return lambda y, score: estimate(name, y, score, task=signature.task, clusters=days)


def _consequences(world: World, declared: Declared, watched: Watched, readings: Sequence[Reading], at: datetime) -> list[Write]:
    name, documents = declared.loop.name, world.documents
    limits = {monitor: (one.k, one.m) for one in declared.loop.watch for monitor in MONITORS.get(one.check, ())}
    before = {(s.monitor, s.subject): s for s in documents.find(MonitorState, where={"loop": name})}
    after = dict(before)
    for reading in (one for one in readings if one.monitor != estimated.MONITOR):
        place = (reading.monitor, reading.subject)
        k, m = limits.get(reading.monitor, (3, 5))
        known = after.get(place) or MonitorState(loop=name, monitor=reading.monitor, subject=reading.subject)
        after[place] = states.advance(known, reading, k=k, m=m)
    changed = incidents.update(
        documents.find(Incident, where={"loop": name, "state": "open"}),
        list(after.values()),
        readings,
        loop=name,
        at=at,
        importance={feature.name: feature.importance for feature in watched.reference.features},
        new_id=lambda: new_id("incident", to_ms(at)),
    )
    writes: list[Write] = [documents.write(reading) for reading in readings]
    writes += [documents.write(s) for place, s in after.items() if before.get(place) != s]
    for incident in changed:
        writes += _told(world, incident, at)
    return writes


def _told(world: World, incident: Incident, at: datetime) -> list[Write]:
    """The incident's document, its line in the ledger, and the signal that a new page gives the policy."""
    documents, ledger = world.documents, world.ledger
    known = documents.get(Incident, incident.id)
    writes: list[Write] = [documents.write(incident)]
    if incident.closed_at is not None:
        closed = ledger.event(
            "incident.closed",
            loop=incident.loop,
            subject=incident.id,
            reasons=(incident.title, incident.closed_because),
            because=(f"{incident.id}:opened",),
            id=f"{incident.id}:closed",
        )
        return [*writes, ledger.line(closed)]
    if known is None:
        opened = ledger.event(
            "incident.opened",
            loop=incident.loop,
            subject=incident.id,
            reasons=(incident.title, incident.cause),
            numbers=incident.numbers,
            id=f"{incident.id}:opened",
        )
        writes.append(ledger.line(opened))
    if incident.severity == "page" and (known is None or known.severity != "page"):
        signal = Signal(
            id=f"signal_{incident.id.removeprefix('incident_')}",
            loop=incident.loop,
            cause=cause_of(incident),
            reason=incident.title,
            at=at,
            events=(f"{incident.id}:opened",),
        )
        writes.append(documents.write(signal, index={"state": "new"}))
        world.notify.tell(f"{incident.loop}: {incident.title}", incident.cause, severity=incident.severity)
    return writes


def cause_of(incident: Incident) -> Cause:
    """What kind of signal an incident gives."""
    monitors = {subject.split(":", 1)[0] for subject in incident.subjects}
    if "quality" in monitors:
        return Cause.QUALITY
    return Cause.SCHEDULE if monitors == {"freshness"} else Cause.DRIFT


def watched_champion(world: World, loop: str, number: int, since: datetime) -> Watched:
    """The champion as the monitors need it."""
    version = versions.get(world.records, loop, number)
    reference = wire.load(world.blobs.read(version.reference), DriftReference)
    sample = pl.read_parquet(BytesIO(world.blobs.read(reference.sample))) if reference.sample else None
    return Watched(version=version, reference=reference, since=since, newest_row=version.scorecard.end, sample=sample)
