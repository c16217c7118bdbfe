"""Lets a person know what is wrong with the data plane itself: it answers on, and cannot shout."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from noria.core.declaration.alerts import Alerts
from noria.core.errors import Conflict
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.state import LoopState
from noria.core.watching import Incident, Level, MonitorPhase, MonitorState, Reading
from noria.loop.duty import Duty
from noria.loop.incidents import recorded
from noria.loop.telling import Books
from noria.ports.records import Write
from noria.stages.monitoring import incidents, states
from noria.stages.monitoring.alarms import DATA_PLANE, trouble_of

MONITOR = "data-plane"
LASTS = 2
"""Looks in a row with a problem that make an incident, and without it that end it."""

logger = logging.getLogger("noria.attending")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneNumbers:
    """What the data plane says of itself.

    Attributes:
        problems: What does not work now: a deployment, "journal", "plan", "workers", … to why.
        counters: Rows since its start.
    """

    problems: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)


class Attendant:
    """Looks at the data plane every `every_s` seconds of wall time, in a thread of its own.

    A problem of a deployment that is a loop belongs to that loop; any other to the first one by name,
    so that people are told once.

    Args:
        ask: The data plane's numbers; None when it does not answer.
        duty: Of several control planes the one that holds it looks.
    """

    def __init__(self, books: Books, ask: Callable[[], PlaneNumbers | None], duty: Duty, *, every_s: float = 15.0) -> None:
        self._books = books
        self._ask = ask
        self._duty = duty
        self._every_s = every_s
        self._before: PlaneNumbers | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Until `stop`; a look that fails is told in the log and made again."""
        while not self._over.wait(self._every_s):
            try:
                if self._duty.held():
                    self.look()
            except Conflict:
                logger.debug("another control plane was quicker")
            except Exception:
                logger.exception("the data plane's problems could not be told, and are looked at again")

    def stop(self) -> None:
        """End `run`."""
        self._over.set()

    def look(self) -> list[Incident]:
        """Hold what is wrong now against what was; returns the incidents that were opened or closed."""
        documents = self._books.documents
        loops = sorted(state.name for state in documents.find(LoopState))
        if not loops:
            return []
        found = self._found()
        changed: list[Incident] = []
        for loop in loops:
            own = {what: why for what, why in found.items() if (what if what in loops else loops[0]) == loop}
            changed += self._moved(loop, own)
        return changed

    def _found(self) -> dict[str, str]:
        """What is wrong now. One that never answered is none of ours: the control plane may run alone."""
        now, before = self._ask(), self._before
        if now is None:
            return {"port": "the data plane does not answer"} if before is not None else {}
        self._before = now
        problems = dict(now.problems)
        lost = now.counters.get("dropped", 0) - (before.counters.get("dropped", 0) if before else 0)
        if lost > 0:
            problems["log"] = f"{lost:,} predictions were answered and are not in the log"
        return problems

    def _moved(self, loop: str, problems: Mapping[str, str]) -> list[Incident]:
        books = self._books
        known = {state.subject: state for state in books.documents.find(MonitorState, where={"loop": loop}) if state.monitor == MONITOR}
        restless = {subject for subject, state in known.items() if state.phase is not MonitorPhase.OK}
        subjects = sorted(restless | problems.keys())
        if not subjects:
            return []
        at = books.clock.now()
        readings = [_reading(loop, subject, problems.get(subject, ""), books) for subject in subjects]
        after = [
            states.advance(known.get(one.subject) or MonitorState(loop=loop, monitor=MONITOR, subject=one.subject), one, k=LASTS, m=LASTS)
            for one in readings
        ]
        under_way = [one for one in books.documents.find(Incident, where={"loop": loop, "state": "open"}) if trouble_of(one) == DATA_PLANE]
        changed = incidents.update(
            under_way, after, readings, loop=loop, at=at, importance={}, new_id=lambda: new_id("incident", to_ms(at))
        )
        writes: list[Write] = [*map(books.documents.write, readings), *map(books.documents.write, after)]
        books.documents.records.commit(*writes, *recorded(books, Alerts(), changed, at))
        return changed


def _reading(loop: str, subject: str, problem: str, books: Books) -> Reading:
    return Reading(
        loop=loop,
        monitor=MONITOR,
        subject=subject,
        time=books.clock.now(),
        value=float(bool(problem)),
        threshold=0.5,
        level=Level.BREACH if problem else Level.OK,
        rows=0,
        effect=1.0 if problem else -1.0,
        note=problem,
    )
