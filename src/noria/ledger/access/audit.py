"""Writes and reads the record of who ordered what.

Orders are written before their answer is sent. What a training loop logs would be thousands of lines a second: calls of
one caller, of one kind and on one thing are one line with their number, written after some seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from noria.core.audit import AuditLine, Called
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.ledger.access.books import AccessBooks

MOST_WAITING = 10_000


class Audit:
    """The record. Thread-safe."""

    def __init__(self, books: AccessBooks) -> None:
        self._books = books
        self._lock = threading.Lock()
        self._waiting: dict[Called, tuple[datetime, datetime, int]] = {}

    def write(self, called: Called) -> None:
        """Write a line of now at once."""
        now = self._books.wall.now()
        self._books.documents.put(_line(called, now, now, 1), expect=0)

    def count(self, called: Called) -> None:
        """Write a line soon, together with those that are like it: this is asked for every point of a training."""
        now = self._books.wall.now()
        with self._lock:
            first, _, calls = self._waiting.get(called, (now, now, 0))
            self._waiting[called] = (first, now, calls + 1)
            full = len(self._waiting) >= MOST_WAITING
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what was counted: call it now and then, in a thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        lines = [_line(called, *counted) for called, counted in waiting.items()]
        for start in range(0, len(lines), 500):
            self._books.records.commit(*(self._books.documents.write(one) for one in lines[start : start + 500]))

    def lines(self, *, since: datetime | None = None, by: str = "", project: str = "", limit: int = 200) -> list[AuditLine]:
        """Lines from a moment on, the newest `limit` of them, in order of time."""
        where: Mapping[str, str] = {name: value for name, value in (("by", by), ("project", project)) if value}
        found = self._books.documents.find(AuditLine, where=where, limit=limit, newest_first=True)
        return [one for one in reversed(found) if since is None or one.until >= since]


def _line(called: Called, at: datetime, until: datetime, calls: int) -> AuditLine:
    return AuditLine(id=new_id("audit", to_ms(at)), at=at, until=until, calls=calls, **called._asdict())
