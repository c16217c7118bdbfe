"""Writes and reads the record of who ordered what.

Orders are written before their answer is sent. What a training loop logs would be thousands of lines a second: calls of
one caller, of one kind and on one thing are one line with their number, written after some seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from noria.core.audit import AuditLine
from noria.core.ids import new_id
from noria.core.moments import to_ms
from noria.ledger.access.books import AccessBooks

MOST_WAITING = 10_000


class Audit:
    """The record. Thread-safe."""

    def __init__(self, books: AccessBooks) -> None:
        self._books = books
        self._lock = threading.Lock()
        self._waiting: dict[tuple[object, ...], AuditLine] = {}

    def line(self, **facts: object) -> AuditLine:
        """A line of now; nothing is written yet. Facts as for `AuditLine`."""
        now = self._books.wall.now()
        return AuditLine(id=new_id("audit", to_ms(now)), at=now, until=now, **facts)  # type: ignore[arg-type]

    def write(self, line: AuditLine) -> None:
        """Write a line at once."""
        self._books.documents.put(line, expect=0)

    def count(self, line: AuditLine) -> None:
        """Write a line soon, together with those that are like it."""
        like = (line.by, line.token, line.address, line.what, line.on, line.project, line.status)
        with self._lock:
            before = self._waiting.get(like)
            if before is not None:
                line = replace(before, until=line.until, calls=before.calls + line.calls)
            self._waiting[like] = line
            full = len(self._waiting) >= MOST_WAITING
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what was counted: call it now and then, in a thread."""
        with self._lock:
            lines, self._waiting = list(self._waiting.values()), {}
        for start in range(0, len(lines), 500):
            self._books.records.commit(*(self._books.documents.write(one) for one in lines[start : start + 500]))

    def lines(self, *, since: datetime | None = None, by: str = "", project: str = "", limit: int = 200) -> list[AuditLine]:
        """Lines from a moment on, the newest `limit` of them, in order of time."""
        where: Mapping[str, str] = {name: value for name, value in (("by", by), ("project", project)) if value}
        found = self._books.documents.find(AuditLine, where=where, limit=limit, newest_first=True)
        return [one for one in reversed(found) if since is None or one.until >= since]
