"""Puts incidents on record: the document, the line in the ledger, the signal to the policy, and what people are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from noria.core.declaration.alerts import Alerts
from noria.core.turning import Cause, Signal
from noria.core.watching import Incident
from noria.loop import telling
from noria.loop.telling import Books
from noria.ports.records import Write
from noria.stages.monitoring import alarms


def recorded(books: Books, alerts: Alerts, changed: Sequence[Incident], at: datetime) -> list[Write]:
    """All that follows from incidents that were opened, widened or closed by the monitors, for one commit.

    What a person did to one meanwhile stands: who has taken it on, or that it is over. That commit
    raises Conflict where they do it between here and there.
    """
    writes: list[Write] = []
    changes: list[tuple[Incident | None, Incident]] = []
    for one in changed:
        known, revision = books.documents.revision(Incident, one.id) or (None, 0)
        if known is not None and known.closed_at is not None:
            continue
        incident = one if known is None else replace(one, acknowledged_at=known.acknowledged_at, acknowledged_by=known.acknowledged_by)
        writes.append(books.documents.write(incident, expect=revision))
        writes += _lines(books, known, incident)
        if _asks(incident) and not (known is not None and _asks(known)):
            writes.append(books.documents.write(_signal(incident, at), index={"state": "new"}))
        changes.append((known, incident))
    return [*writes, *telling.announce(books, alerts, changes, at)]


def ended(books: Books, incident: Incident, *, because: str, by: str = "noria", cause: Sequence[str] = ()) -> list[Write]:
    """Close an incident for another reason than its monitors: a promotion, or a person.

    Args:
        cause: Ids of the events that led to it, besides its opening.
    """
    over = replace(incident, closed_at=books.clock.now(), closed_because=because)
    found = books.documents.revision(Incident, incident.id)
    line = _closed(books, over, by=by, because=cause or (f"{incident.id}:opened",))
    return [books.documents.write(over, expect=found[1] if found else 0), line, *telling.over(books, over)]


def cause_of(incident: Incident) -> Cause:
    """What kind of signal an incident gives."""
    monitors = {subject.split(":", 1)[0] for subject in incident.subjects}
    if "quality" in monitors:
        return Cause.QUALITY
    return Cause.SCHEDULE if monitors == {"freshness"} else Cause.DRIFT


def _asks(incident: Incident) -> bool:
    """Whether the policy is to hear of it: a page that a new model may be an answer to, or training data that is too old."""
    return alarms.turns(incident) and (incident.severity == alarms.PAGE or cause_of(incident) is Cause.SCHEDULE)


def _signal(incident: Incident, at: datetime) -> Signal:
    return Signal(
        id=f"signal_{incident.id.removeprefix('incident_')}",
        loop=incident.loop,
        cause=cause_of(incident),
        reason=incident.title,
        at=at,
        events=(f"{incident.id}:opened",),
    )


def _lines(books: Books, known: Incident | None, incident: Incident) -> list[Write]:
    if incident.closed_at is not None:
        return [_closed(books, incident)]
    if known is None:
        kind, id = "incident.opened", f"{incident.id}:opened"
    else:
        kind, id = "incident.widened", f"{incident.id}:widened:{len(incident.subjects)}:{len(incident.hushed)}:{incident.severity}"
    event = books.ledger.event(
        kind,
        loop=incident.loop,
        subject=incident.id,
        reasons=(incident.title, incident.cause, *(one.text for one in incident.evidence[:3] if one.text != incident.cause)),
        because=() if known is None else (f"{incident.id}:opened",),
        numbers=incident.numbers,
        id=id,
    )
    return [books.ledger.line(event)]


def _closed(books: Books, incident: Incident, *, by: str = "noria", because: Sequence[str] = ()) -> Write:
    event = books.ledger.event(
        "incident.closed",
        loop=incident.loop,
        subject=incident.id,
        by=by,
        reasons=(incident.title, incident.closed_because),
        because=tuple(because) or (f"{incident.id}:opened",),
        id=f"{incident.id}:closed",
    )
    return books.ledger.line(event)
