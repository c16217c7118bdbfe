"""One process at a time does the regular duties of a home; a dead one's duty is taken over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from noria.core.errors import Conflict
from noria.ports import wire
from noria.ports.clock import Clock
from noria.ports.records import Put, Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Who has the duty, and until when by the wall clock."""

    owner: str
    until: datetime


class Duty:
    """The right to do the regular duties, renewed by using it; for one thread."""

    def __init__(self, records: Records, *, wall: Clock, owner: str, span: timedelta = timedelta(seconds=30)) -> None:
        self._records = records
        self._wall = wall
        self._owner = owner
        self._span = span
        self._sure_until: datetime | None = None

    def held(self) -> bool:
        """Whether this process has the duty, taking or renewing it if it can."""
        now = self._wall.now()
        if self._sure_until is not None and now < self._sure_until - self._span / 2:
            return True
        record = self._records.get("duty", "keeper")
        held = wire.load(record.body, Held) if record else None
        if held is not None and held.owner != self._owner and held.until > now:
            self._sure_until = None
            return False
        return self._write(now + self._span, expect=record.revision if record else 0)

    def give_up(self) -> None:
        """Let another process have it at once."""
        record = self._records.get("duty", "keeper")
        if record is not None and wire.load(record.body, Held).owner == self._owner:
            self._write(self._wall.now(), expect=record.revision)
        self._sure_until = None

    def _write(self, until: datetime, *, expect: int) -> bool:
        held = Held(owner=self._owner, until=until)
        try:
            self._records.commit(Put(kind="duty", key="keeper", body=wire.dump(held), expect=expect))
        except Conflict:
            self._sure_until = None
            return False
        self._sure_until = until
        return True
