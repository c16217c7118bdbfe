"""Gathers what people thought of a monitor's incidents, and puts a proposal for its limit on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from noria.core.alerting import Opinion, Record, Tuning
from noria.core.declaration.loop import Loop
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.watching import Incident, Reading
from noria.ledger.documents import Documents
from noria.loop.monitors.table import KINDS
from noria.loop.telling import Books
from noria.ports.records import Write
from noria.stages.monitoring.tuning import Judged, Proposed, precision, propose

_LOOKED_BACK = 200


def record_of(documents: Documents, loop: str) -> list[Record]:
    """Each monitor's useful and noisy incidents, the noisiest first; an incident counts for each monitor in it that was told of."""
    counts: dict[str, list[int]] = {}
    for incident, useful in judged(documents, loop):
        for monitor in {name.partition(":")[0] for name in incident.subjects if name not in incident.hushed}:
            counts.setdefault(monitor, [0, 0])[0 if useful else 1] += 1
    found = [Record(monitor=name, useful=u, noise=n, precision=precision(u, n)) for name, (u, n) in counts.items()]
    return sorted(found, key=lambda one: (one.precision.value, one.monitor))


def judged(documents: Documents, loop: str) -> list[tuple[Incident, bool]]:
    """Incidents that people gave an opinion of, and whether most found them useful; undecided ones count as useful."""
    votes: dict[str, list[bool]] = {}
    for opinion in documents.find(Opinion, where={"loop": loop}, newest_first=True):
        votes.setdefault(opinion.incident, []).append(opinion.useful)
    found = [(documents.get(Incident, id), sum(said) * 2 >= len(said)) for id, said in list(votes.items())[:_LOOKED_BACK]]
    return [(incident, useful) for incident, useful in found if incident is not None]


def propose_for(books: Books, loop: Loop, incident: Incident) -> list[Tuning]:
    """Weigh the limit of every monitor in the incident anew; returns what is proposed now.

    An older proposal for the same limit is taken back: it was made without this opinion.
    """
    past = judged(books.documents, incident.loop)
    made: list[Tuning] = []
    writes: list[Write] = []
    for name in (one for one in incident.subjects if one not in incident.hushed):
        monitor, _, subject = name.partition(":")
        k, m, every = _limits(loop, monitor)
        applied = _of(books.documents, incident.loop, monitor, subject, "applied")
        since = applied[-1].at if applied else None
        shown = [
            Judged(readings=tuple(_around(books.documents, one, monitor, subject, m * every)), useful=useful)
            for one, useful in past
            if name in one.subjects and (since is None or one.opened_at > since)
        ]
        writes += [
            books.documents.write(replace(old, state="dismissed"))
            for old in _of(books.documents, incident.loop, monitor, subject, "proposed")
        ]
        found = propose(shown, k=k, m=m)
        if found is not None:
            made.append(_tuning(books, incident.loop, monitor, subject, found, applied[-1].factor if applied else 1.0))
    if made or writes:
        books.documents.records.commit(*writes, *(books.documents.write(one, expect=0) for one in made))
    return made


def instead_of(documents: Documents, tuning: Tuning) -> list[Write]:
    """Ends what was applied to the same limit before."""
    return [documents.write(replace(one, state="ended")) for one in _of(documents, tuning.loop, tuning.monitor, tuning.subject, "applied")]


def _tuning(books: Books, loop: str, monitor: str, subject: str, found: Proposed, factor: float) -> Tuning:
    now = books.clock.now()
    kept = f", and lost none of {found.useful} useful ones" if found.useful else ""
    return Tuning(
        id=new_id("tuning", to_ms(now)),
        loop=loop,
        monitor=monitor,
        subject=subject,
        factor=round(found.factor * factor, 4),
        state="proposed",
        reason=f"a limit {found.factor:g} times as far away would have spared {found.spared} of {found.noise} incidents that were noise{kept}",
        at=now,
        numbers={
            "spared": found.spared,
            "noise": found.noise,
            "useful": found.useful,
            "precision": found.precision.value,
            "precision high": found.precision.high,
        },
    )


def _limits(loop: Loop, monitor: str) -> tuple[int, int, timedelta]:
    found = next((one for one in loop.watch if one.check in KINDS and monitor in KINDS[one.check].monitors), None)
    return (found.k, found.m, found.every) if found else (3, 5, timedelta(days=1))


def _of(documents: Documents, loop: str, monitor: str, subject: str, state: str) -> list[Tuning]:
    found = documents.find(Tuning, where={"loop": loop, "state": state})
    return [one for one in found if (one.monitor, one.subject) == (monitor, subject)]


def _around(documents: Documents, incident: Incident, monitor: str, subject: str, before: timedelta) -> Sequence[Reading]:
    """The monitor's readings from before the incident until it was over."""
    where = {"loop": incident.loop, "monitor": monitor, "subject": subject}
    readings = documents.find(Reading, where=where, newest_first=True)
    until = incident.closed_at or (readings[0].time if readings else incident.opened_at)
    return [one for one in reversed(readings) if incident.opened_at - before < one.time <= until]
