"""Fire drills of the alerts: a violation that is none, through the whole real path, to see that it reaches people.

Not to be taken for `noria.loop.drills`, where a challenger is bad on purpose.
"""

from __future__ import annotations

from datetime import timedelta

from noria.core.declaration.alerts import Alerts
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.notices import Delivery, Progress
from noria.core.watching import Incident, Level, MonitorState, Reading
from noria.loop.incidents import recorded
from noria.loop.telling import Books
from noria.ports.clock import Clock
from noria.ports.records import Write
from noria.stages.monitoring import incidents, states
from noria.stages.monitoring.alarms import DRILL, trouble_of

MONITOR, SUBJECT = "fire-drill", "alerts"
PATIENCE = timedelta(minutes=3)
"""Wall time after which a drill ends though some channel still tries."""


def begin(books: Books, loop: str, *, by: str, because: str) -> Incident:
    """Read a violation that is none: it fires, opens an incident and is told, as any other; it gives no signal and costs no page."""
    finish(books, loop)
    now = books.clock.now()
    said = f"a drill, ordered by {by}" + (f": {because}" if because else "")
    reading = _reading(loop, books, breach=True, note=said)
    event = books.ledger.event("drill.fired", loop=loop, subject=loop, by=by, reasons=(said,))
    (incident,), writes = _moved(books, reading, id=new_id("incident", to_ms(now)))
    books.documents.records.commit(*writes, books.ledger.line(event))
    return incident


def finish(books: Books, loop: str) -> list[Incident]:
    """Let every open drill of the loop recover, and be told as over."""
    under_way = [one for one in books.documents.find(Incident, where={"loop": loop, "state": "open"}) if trouble_of(one) == DRILL]
    if not under_way:
        return []
    ended, writes = _moved(books, _reading(loop, books, breach=False, note="the drill is over"), id="")
    books.documents.records.commit(*writes)
    return ended


def finish_heard(books: Books, loop: str, wall: Clock) -> list[Incident]:
    """Let drills end that every channel has heard of, or failed to, or that take too long."""
    for one in books.documents.find(Incident, where={"loop": loop, "state": "open"}):
        if trouble_of(one) == DRILL:
            ways = deliveries(books, one)
            over = [way.progress is not Progress.WAITING or wall.now() - way.first_at > PATIENCE for way in ways]
            if ways and all(over):
                return finish(books, loop)
    return []


def deliveries(books: Books, incident: Incident) -> list[Delivery]:
    """How far the drill's alert has come, channel by channel; empty until it was taken out of the outbox."""
    return books.documents.find(Delivery, where={"notice": f"{incident.id}:told:opened"})


def _reading(loop: str, books: Books, *, breach: bool, note: str) -> Reading:
    return Reading(
        loop=loop,
        monitor=MONITOR,
        subject=SUBJECT,
        time=books.clock.now(),
        value=float(breach),
        threshold=0.5,
        level=Level.BREACH if breach else Level.OK,
        rows=0,
        effect=1.0 if breach else -1.0,
        note=note,
    )


def _moved(books: Books, reading: Reading, *, id: str) -> tuple[list[Incident], list[Write]]:
    """What the reading does to the monitor and its incident, for one commit."""
    loop = reading.loop
    before = books.documents.get(MonitorState, f"{loop}/{MONITOR}/{SUBJECT}")
    after = states.advance(before or MonitorState(loop=loop, monitor=MONITOR, subject=SUBJECT), reading, k=1, m=1)
    under_way = [one for one in books.documents.find(Incident, where={"loop": loop, "state": "open"}) if trouble_of(one) == DRILL]
    changed = incidents.update(under_way, [after], [reading], loop=loop, at=reading.time, importance={}, new_id=lambda: id)
    writes: list[Write] = [books.documents.write(reading), books.documents.write(after)]
    return changed, [*writes, *recorded(books, Alerts(), changed, reading.time)]
