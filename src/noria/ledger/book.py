"""The book of events: what happened, to which thing, by whom and because of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.core.turning import Event
from noria.ports import wire
from noria.ports.clock import Clock
from noria.ports.records import Append, Line, Records


class Ledger:
    """Writes and reads events. Thread-safe where its `records` and clocks are.

    Args:
        clock: Event time, for `Event.at`.
        wall: Wall time, for `Event.recorded_at` and for ids that sort.
    """

    def __init__(self, records: Records, *, clock: Clock, wall: Clock) -> None:
        self.records = records
        self._clock = clock
        self._wall = wall

    def event(
        self,
        kind: str,
        *,
        loop: str,
        subject: str,
        by: str = "noria",
        reasons: Sequence[str] = (),
        because: Sequence[str] = (),
        numbers: Mapping[str, float] | None = None,
        made_from: Sequence[str] = (),
        turn: str = "",
        id: str = "",
    ) -> Event:
        """Build an event that happens now; nothing is written yet.

        Args:
            id: Give one that names the occasion (`f"{turn}-promoted"`) and writing it twice is writing it once.
        """
        recorded_at = self._wall.now()
        return Event(
            id=id or new_id("event", to_ms(recorded_at)),
            loop=loop,
            kind=kind,
            subject=subject,
            by=by,
            at=self._clock.now(),
            recorded_at=recorded_at,
            reasons=tuple(reasons),
            because=tuple(because),
            numbers=dict(numbers or {}),
            made_from=tuple(made_from),
            turn=turn,
        )

    def line(self, event: Event) -> Append:
        """The event as a write, to be committed together with what it tells of."""
        return Append(id=event.id, loop=event.loop, kind=event.kind, subject=event.subject, turn=event.turn, body=wire.dump(event))

    def write(self, event: Event) -> Event:
        """Append the event by itself; an id that is there already is left as it is."""
        self.records.commit(self.line(event))
        return event

    def events(
        self,
        *,
        loop: str = "",
        subject: str = "",
        kind: str = "",
        turn: str = "",
        limit: int = 200,
        newest_first: bool = False,
        after: int = 0,
    ) -> list[Event]:
        """Events in the order they were written (or backwards), beyond log position `after`; "" selects all."""
        found = self.tail(loop=loop, subject=subject, kind=kind, turn=turn, limit=limit, newest_first=newest_first, after=after)
        return [event for _, event in found]

    def tail(
        self,
        *,
        loop: str = "",
        subject: str = "",
        kind: str = "",
        turn: str = "",
        limit: int = 200,
        newest_first: bool = False,
        after: int = 0,
    ) -> list[tuple[int, Event]]:
        """As `events`, each with its log position: pass the last one as `after` to read on."""
        asked = {"loop": loop, "subject": subject, "kind": kind, "turn": turn}
        where = {name: value for name, value in asked.items() if value}
        lines = self.records.lines(after=after, where=where, limit=limit, newest_first=newest_first)
        return [(line.position, _event(line)) for line in lines]

    def get(self, ids: Sequence[str]) -> list[Event]:
        """Those of the events that are there, in the order they were written."""
        if not ids:
            return []
        return [_event(line) for line in self.records.lines(ids=ids, limit=len(ids))]


def _event(line: Line) -> Event:
    return wire.load(line.body, Event)
