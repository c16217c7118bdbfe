"""What pages and the API tell of alerts: an incident with all that belongs to it, and what a loop may still tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from noria.core.alerting import AlertBook, Opinion, Record, Silence, Tuning
from noria.core.notices import Delivery, Notice, Progress
from noria.core.watching import Incident
from noria.server.reads import Placed, Reads
from noria.server.services import Services
from noria.stages.monitoring import budget

RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An incident with what people were told, said and may do about it.

    Attributes:
        records: How its monitors have done, as people judged them.
        tunings: Limits of its monitors that are proposed or applied.
    """

    incident: Incident
    events: tuple[Placed, ...]
    opinions: tuple[Opinion, ...]
    deliveries: tuple[Delivery, ...]
    records: tuple[Record, ...]
    tunings: tuple[Tuning, ...]
    silences: tuple[Silence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a loop has told and may still tell.

    Attributes:
        left: Pages that may be told at once now; None where nothing was told yet, so that no budget is known.
        waiting: Incidents that wait for the digest, of which `held` are pages.
        undelivered: Deliveries of the last week that reached nobody; `trying` are still on their way after a failure.
    """

    loop: str
    pages_per_week: int | None
    left: int | None
    waiting: int
    held: int
    digest_at: datetime | None
    silences: tuple[Silence, ...]
    undelivered: tuple[Delivery, ...]
    trying: int


def story(reads: Reads, services: Services, id: str) -> Story:
    """One incident's.

    Raises:
        NotFound: no incident has the id.
    """
    incident = reads.incident(id)
    monitors = {name.partition(":")[0] for name in incident.subjects}
    places = {tuple(name.split(":", 1)) for name in incident.subjects}
    tunings = [one for one in reads.find(Tuning, loop=incident.loop) if one.state in ("proposed", "applied")]
    notices = reads.find(Notice, incident=id)
    return Story(
        incident=incident,
        events=tuple(reads.events(subject=id, newest_first=False, limit=100)),
        opinions=tuple(reads.find(Opinion, incident=id)),
        deliveries=tuple(way for notice in notices for way in reads.find(Delivery, notice=notice.id)),
        records=tuple(one for one in services.alerts.record(incident.loop) if one.monitor in monitors),
        tunings=tuple(one for one in tunings if (one.monitor, one.subject) in places),
        silences=tuple(
            one
            for one in silences(reads, incident.loop, services.clock.now())
            if any(one.covers(*name.split(":", 1)) for name in incident.subjects)
        ),
    )


def telling(reads: Reads, loop: str, now: datetime) -> Telling:
    """One loop's."""
    book = reads.get(AlertBook, loop) or AlertBook(loop=loop)
    pages = book.pages_per_week
    failed = reads.find(Delivery, loop=loop, state=Progress.UNDELIVERED, newest_first=True, limit=50)
    newest = max((one.ended_at for one in failed if one.ended_at), default=None)
    waiting = reads.find(Delivery, loop=loop, state=Progress.WAITING)
    return Telling(
        loop=loop,
        pages_per_week=pages,
        left=None if pages is None else budget.left(book, now, pages_per_week=pages),
        waiting=len(book.waiting),
        held=len(book.held),
        digest_at=book.digest_at,
        silences=tuple(silences(reads, loop, now)),
        undelivered=tuple(one for one in failed if newest and one.ended_at and newest - one.ended_at < RECENT),
        trying=sum(one.tries > 0 for one in waiting),
    )


def silences(reads: Reads, loop: str, now: datetime) -> list[Silence]:
    """Silences that are in force."""
    return [one for one in reads.find(Silence, loop=loop) if one.ended_at is None and one.until > now]
