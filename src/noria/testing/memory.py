"""Records kept in memory: the fake that tests of any room can hold in one hand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock

from noria.core.errors import Conflict
from noria.ports.records import Append, Line, Put, Record, Write

INDEX_LIMIT = 8
SELECTABLE = ("loop", "kind", "subject", "turn")


@dataclass(slots=True)
class _Shelf:
    """All documents of one kind, with their keys in order."""

    documents: dict[str, Record] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)


class MemoryRecords:
    """`noria.ports.records.Records` without a disk: same promises, except that they end with the process."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._shelves: dict[str, _Shelf] = {}
        self._log: list[tuple[Line, Append]] = []
        self._logged: set[str] = set()

    def get(self, kind: str, key: str) -> Record | None:
        """The document, or None."""
        with self._lock:
            shelf = self._shelves.get(kind)
            return shelf.documents.get(key) if shelf else None

    def find(
        self, kind: str, *, where: Mapping[str, str] | None = None, limit: int = 1_000, newest_first: bool = False, after: str = ""
    ) -> list[Record]:
        """Documents of a kind whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        wanted = dict(where or {})
        found: list[Record] = []
        with self._lock:
            shelf = self._shelves.get(kind, _Shelf())
            for key in _beyond(shelf.keys, after, newest_first):
                if len(found) >= limit:
                    break
                record = shelf.documents[key]
                if all(record.index.get(name) == value for name, value in wanted.items()):
                    found.append(record)
        return found

    def commit(self, *writes: Write) -> None:
        """Do all writes or none.

        Raises:
            Conflict: a `Put.expect` does not hold any more; nothing was written.
            ValueError: a `Put.index` has more than eight fields; nothing was written.
        """
        with self._lock:
            staged = self._staged([write for write in writes if isinstance(write, Put)])
            for record in staged.values():
                self._shelve(record)
            for write in writes:
                if isinstance(write, Append):
                    self._log_once(write)

    def lines(
        self,
        *,
        after: int = 0,
        where: Mapping[str, str] | None = None,
        limit: int = 1_000,
        newest_first: bool = False,
        ids: Sequence[str] = (),
    ) -> list[Line]:
        """Events beyond position `after` (before it when `newest_first` and after > 0), selected by loop, kind, subject, turn or ids."""
        wanted = dict(where or {})
        if unknown := sorted(set(wanted) - set(SELECTABLE)):
            raise ValueError(f"events are selected by {', '.join(SELECTABLE)}, not by {', '.join(unknown)}")
        found: list[Line] = []
        with self._lock:
            for line, event in reversed(self._log) if newest_first else self._log:
                if len(found) >= limit:
                    break
                beyond = (not after or line.position < after) if newest_first else line.position > after
                if beyond and (not ids or line.id in ids) and all(getattr(event, name) == value for name, value in wanted.items()):
                    found.append(line)
        return found

    def _staged(self, puts: Sequence[Put]) -> dict[tuple[str, str], Record]:
        """The records that `puts` would leave, each held against those before it."""
        staged: dict[tuple[str, str], Record] = {}
        for put in puts:
            if len(put.index) > INDEX_LIMIT:
                raise ValueError(f"{put.kind} {put.key!r} has {len(put.index)} index fields; {INDEX_LIMIT} are kept")
            before = staged.get((put.kind, put.key)) or self.get(put.kind, put.key)
            revision = before.revision if before else 0
            if put.expect is not None and put.expect != revision:
                raise Conflict(f"{put.kind} {put.key!r} is at revision {revision}, not {put.expect}")
            staged[put.kind, put.key] = Record(kind=put.kind, key=put.key, revision=revision + 1, body=put.body, index=dict(put.index))
        return staged

    def _shelve(self, record: Record) -> None:
        shelf = self._shelves.setdefault(record.kind, _Shelf())
        if record.key not in shelf.documents:
            insort(shelf.keys, record.key)
        shelf.documents[record.key] = record

    def _log_once(self, event: Append) -> None:
        if event.id not in self._logged:
            self._logged.add(event.id)
            self._log.append((Line(position=len(self._log) + 1, id=event.id, body=event.body), event))


def _beyond(keys: Sequence[str], after: str, newest_first: bool) -> Sequence[str]:
    """The keys beyond `after` in the direction of reading; all of them when it is ""."""
    if newest_first:
        return keys[: bisect_left(keys, after)][::-1] if after else keys[::-1]
    return keys[bisect_right(keys, after) :] if after else keys
