"""Looks at what flowed by, chunk after chunk: readings, monitor states, incidents, signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from noria.core.alerting import Silence, Tuning
from noria.core.declaration.alerts import Quiet
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.state import LoopState
from noria.core.watching import Incident, MonitorState, Reading
from noria.ledger.documents import Documents
from noria.loop.incidents import recorded
from noria.loop.lineage import lineage
from noria.loop.monitors.span import Span, Watched
from noria.loop.monitors.table import KINDS
from noria.loop.states import amend, state_of
from noria.loop.tracing import traced
from noria.loop.world import Declared, World
from noria.ports.records import Write
from noria.stages.monitoring import estimated, incidents, states, tuning
from noria.stages.monitoring.due import due_chunks
from noria.stages.monitoring.silences import silenced

Place = tuple[str, str]
"""A monitor and its subject."""


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
        found, also = _readings(world, declared, watched, start, end)
        readings = _tuned(world.documents, declared.loop.name, found)
        writes = _consequences(world, declared, watched, readings, end)
        amend(world.documents, declared.loop.name, _until(end), also=[*writes, *also])
    return len(chunks)


def _until(end: datetime) -> Callable[[LoopState], LoopState]:
    return lambda state: replace(state, watched_until=end)


def _readings(world: World, declared: Declared, watched: Watched, start: datetime, end: datetime) -> tuple[list[Reading], list[Write]]:
    found: list[Reading] = []
    kept: dict[str, object] = {}
    also: list[Write] = []
    for one in declared.loop.watch:
        chunk = _closed_chunk(one.every, watched.since, start, end)
        if chunk is not None:
            span = Span(world=world, declared=declared, watched=watched, watch=one, start=chunk[0], end=chunk[1], kept=kept)
            found += KINDS[one.check].read(span)
            also += span.also
    return found, also


def _closed_chunk(every: timedelta, origin: datetime, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    """The watch's own chunk, if one closed within (start, end]; chunks follow each other from `origin`."""
    closed = (end - origin) // every
    if closed == (start - origin) // every or closed < 1:
        return None
    return origin + (closed - 1) * every, origin + closed * every


def _consequences(world: World, declared: Declared, watched: Watched, readings: Sequence[Reading], at: datetime) -> list[Write]:
    name, documents = declared.loop.name, world.documents
    before = {(s.monitor, s.subject): s for s in documents.find(MonitorState, where={"loop": name})}
    after = _moved(declared, before, readings)
    origin = lineage(documents, declared, watched.version.candidate.signature.features)
    changed = incidents.update(
        documents.find(Incident, where={"loop": name, "state": "open"}),
        list(after.values()),
        readings,
        loop=name,
        at=at,
        importance={feature.name: feature.importance for feature in watched.reference.features},
        new_id=lambda: new_id("incident", to_ms(at)),
        lineage=origin,
        silent=silence(documents, declared, at),
    )
    changed = [one if one.closed_at else traced(world, declared, watched, one, readings=readings, lineage=origin, at=at) for one in changed]
    writes: list[Write] = [documents.write(reading) for reading in readings]
    writes += [documents.write(s) for place, s in after.items() if before.get(place) != s]
    return [*writes, *recorded(world, declared.loop.alerts, changed, at)]


def _moved(declared: Declared, before: Mapping[Place, MonitorState], readings: Sequence[Reading]) -> dict[Place, MonitorState]:
    """Every monitor's state after these readings."""
    limits = {monitor: (one.k, one.m) for one in declared.loop.watch for monitor in KINDS[one.check].monitors}
    after = dict(before)
    for reading in (one for one in readings if one.monitor != estimated.MONITOR):
        place = (reading.monitor, reading.subject)
        k, m = limits.get(reading.monitor, (3, 5))
        known = after.get(place) or MonitorState(loop=reading.loop, monitor=reading.monitor, subject=reading.subject)
        after[place] = states.advance(known, reading, k=k, m=m)
    return after


def _tuned(documents: Documents, loop: str, readings: Sequence[Reading]) -> list[Reading]:
    """The readings, held against the limits that people have moved."""
    factors = {(one.monitor, one.subject): one.factor for one in documents.find(Tuning, where={"loop": loop, "state": "applied"})}
    return [tuning.tuned(one, factors.get((one.monitor, one.subject), 1.0)) for one in readings]


def silence(documents: Documents, declared: Declared, at: datetime) -> Callable[[MonitorState], bool]:
    """Which monitors are to be quiet about the chunk that ends now: silenced by a person, or expected to be out of sorts."""
    quiet: list[Silence | Quiet] = [*documents.find(Silence, where={"loop": declared.loop.name}), *declared.loop.alerts.quiet]
    lengths = {monitor: one.every for one in declared.loop.watch for monitor in KINDS[one.check].monitors}

    def silent(state: MonitorState) -> bool:
        start = at - lengths.get(state.monitor, timedelta(0))
        return silenced(quiet, state.monitor, state.subject, start, at) is not None

    return silent
