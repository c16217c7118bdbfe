"""Decides what people are told of an incident, and when: at once, in the digest, or that it is over.

What is told is a notice in the outbox, written in the commit of what it tells of: neither can be
there without the other. `noria.loop.outbox` brings it to the channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from noria.core.alerting import AlertBook
from noria.core.declaration.alerts import Alerts
from noria.core.moments import to_ms
from noria.core.notices import Happening, Notice
from noria.core.watching import Incident
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.clock import Clock
from noria.ports.records import Write
from noria.stages.monitoring import budget
from noria.stages.monitoring.alarms import DRILL, NOTICE, PAGE, trouble_of

_LISTED = 40


class Books(Protocol):
    """What alerting needs of the world: where things are written, what time it is, and where people look."""

    @property
    def documents(self) -> Documents: ...  # noqa: D102

    @property
    def ledger(self) -> Ledger: ...  # noqa: D102

    @property
    def clock(self) -> Clock: ...  # noqa: D102

    @property
    def page(self) -> str: ...  # noqa: D102


def announce(books: Books, alerts: Alerts, changes: Sequence[tuple[Incident | None, Incident]], at: datetime) -> list[Write]:
    """Notices of incidents that changed, from what each was to what it is, with the loop's book of what it has told."""
    if not changes:
        return []
    loop = changes[0][1].loop
    found = books.documents.revision(AlertBook, loop)
    before, revision = found or (AlertBook(loop=loop), 0)
    book, writes = before, list[Write]()
    for was, now in changes:
        if now.closed_at is not None:
            writes += over(books, now)
        elif trouble_of(now) == DRILL:
            writes += [books.documents.write(of(books, now, at))] if was is None else []
        elif now.severity == PAGE and (was is None or was.severity != PAGE):
            book, at_once = budget.page(book, now.id, at, pages_per_week=alerts.pages_per_week, digest=alerts.digest)
            writes += [books.documents.write(of(books, now, at))] if at_once else []
        elif was is None or set(now.subjects) - set(was.subjects) or set(was.hushed) - set(now.hushed):
            book = budget.hold(book, now.id, at, digest=alerts.digest)
    if book != before:
        writes.append(books.documents.write(replace(book, pages_per_week=alerts.pages_per_week), expect=revision))
    return writes


def of(books: Books, incident: Incident, at: datetime) -> Notice:
    """The page that tells of an incident."""
    return _notice(books, incident, Happening.OPENED, at, title=incident.title, text=_words(incident))


def over(books: Books, incident: Incident) -> list[Write]:
    """The notice that an incident is over, for those who were paged for it; the others read it in the digest."""
    if books.documents.get(Notice, _id(incident, Happening.OPENED)) is None:
        return []
    at = incident.closed_at or books.clock.now()
    text = f"{incident.closed_because}. It was open since {incident.opened_at:%Y-%m-%d %H:%M} UTC."
    notice = _notice(books, incident, Happening.CLOSED, at, title=f"Over: {incident.title}", text=text)
    return [books.documents.write(notice)]


def acknowledged(books: Books, incident: Incident) -> list[Write]:
    """The notice that somebody has taken an incident on, for those who were paged for it."""
    if books.documents.get(Notice, _id(incident, Happening.OPENED)) is None:
        return []
    by = incident.acknowledged_by
    notice = _notice(
        books,
        incident,
        Happening.ACKNOWLEDGED,
        books.clock.now(),
        title=f"{by} looks at it: {incident.title}",
        text=f"{by} has taken it on.",
    )
    return [books.documents.write(notice)]


def tell_digest(books: Books, loop: str, now: datetime) -> bool:
    """Put the loop's digest into the outbox when it is due; returns whether it was."""
    found = books.documents.revision(AlertBook, loop)
    if found is None or not budget.due(found[0], now):
        return False
    book, revision = found
    notice = _digest(books, book, now)
    event = books.ledger.event("digest.told", loop=loop, subject=loop, reasons=(notice.title,), id=notice.id)
    books.documents.records.commit(
        books.documents.write(budget.told(book, now), expect=revision), books.documents.write(notice), books.ledger.line(event)
    )
    return True


def _digest(books: Books, book: AlertBook, now: datetime) -> Notice:
    waiting = _known(books.documents, book.waiting)
    held = [one for one in waiting if one.id in book.held]
    others = sorted((one for one in waiting if one.id not in book.held), key=lambda one: one.rank, reverse=True)
    ended = [one for one in _ended_since(books.documents, book) if one.id not in book.waiting]
    lines = [f"Held back, since the week's pages were spent: {_line(one)}" for one in held]
    lines += [_line(one) for one in others]
    lines += [f"Over: {one.title}; {one.closed_because}" for one in ended]
    more = [f"… and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    counted = [f"{len(held)} page{'s' if len(held) > 1 else ''} held back"] if held else []
    counted += [f"{len(others)} notice{'s' if len(others) > 1 else ''}"] if others else []
    counted += [f"{len(ended)} over"] if ended else []
    id = f"{book.loop}:digest:{to_ms(now)}"
    return Notice(
        id=id,
        loop=book.loop,
        severity=NOTICE,
        about=Happening.DIGEST,
        title=f"Digest: {', '.join(counted)}",
        text="\n".join(lines[:_LISTED] + more),
        dedupe=id,
        at=now,
        link=f"{books.page}/incidents" if books.page else "",
        numbers={"held back": len(held), "notices": len(others), "over": len(ended)},
    )


def _known(documents: Documents, ids: Sequence[str]) -> list[Incident]:
    return [found for id in ids if (found := documents.get(Incident, id)) is not None]


def _ended_since(documents: Documents, book: AlertBook) -> list[Incident]:
    closed = documents.find(Incident, where={"loop": book.loop, "state": "closed"}, newest_first=True, limit=100)
    return [one for one in closed if book.told_until is not None and one.closed_at is not None and one.closed_at > book.told_until]


def _line(incident: Incident) -> str:
    state = f" (over: {incident.closed_because})" if incident.closed_at else ""
    return f"{incident.title}{state}. {incident.cause}".strip()


def _words(incident: Incident) -> str:
    lines = [incident.cause, *(one.text for one in incident.evidence if one.text != incident.cause)]
    if incident.hushed:
        lines.append(f"It explains {len(incident.hushed)} more: {', '.join(name.partition(':')[2] for name in incident.hushed[:8])}.")
    return "\n".join(line for line in lines if line)


def _notice(books: Books, incident: Incident, about: Happening, at: datetime, *, title: str, text: str) -> Notice:
    return Notice(
        id=_id(incident, about),
        loop=incident.loop,
        severity=PAGE,
        about=about,
        title=title,
        text=text,
        dedupe=incident.id,
        at=at,
        incident=incident.id,
        link=f"{books.page}/incidents/{incident.id}" if books.page else "",
        numbers=incident.numbers,
        drill=trouble_of(incident) == DRILL,
    )


def _id(incident: Incident, about: Happening) -> str:
    return f"{incident.id}:told:{about}"
