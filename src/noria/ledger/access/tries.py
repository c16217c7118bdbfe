"""Where wrong passwords are counted: in a table, for all processes that share it, or in this process's memory.

A count is (how many were spent, as of when in seconds); it falls as time goes on, so what has not been touched for long is
as good as none. Keys are digests: what strangers typed as names is nowhere to be read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from noria.core.ids import digest_of
from noria.ports.sql import Sql, Tx

T = TypeVar("T")
Key = tuple[str, ...]
Count = tuple[float, float]

REMEMBERED = 20_000
"""Counts that memory keeps; the ones longest untouched make room."""

FORGOTTEN_S = 90 * 86_400.0
"""A place where a name was right is remembered for so long after the last time."""

DRAINED_S = 3_600.0
"""Any other count is nothing by then."""

SWEEP_S = 60.0


class Page(Protocol):
    """The counts, while nobody else changes those that were read."""

    def knows(self, key: Key) -> bool:
        """Whether there is a count, whatever it is."""
        ...

    def read(self, keys: Sequence[Key], now: float) -> list[Count]:
        """Counts in the order of their keys; (0, now) where there was none."""
        ...

    def put(self, key: Key, count: Count, *, lasting: bool = False) -> None:
        """Write a count; `lasting` if that it is there is worth knowing when it has fallen to nothing."""
        ...


class Tries(Protocol):
    """Thread-safe."""

    def change(self, work: Callable[[Page], T], now: float) -> T:
        """Do a work on the counts that nobody else changes meanwhile; it may run more than once."""
        ...


class InMemory:
    """`Tries` of this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[Key, Count] = OrderedDict()

    def change(self, work: Callable[[Page], T], now: float) -> T:
        """Do a work, one at a time."""
        with self._lock:
            return work(self)

    def knows(self, key: Key) -> bool:
        """See `Page`."""
        return key in self._counts

    def read(self, keys: Sequence[Key], now: float) -> list[Count]:
        """See `Page`."""
        return [self._counts.get(key, (0.0, now)) for key in keys]

    def put(self, key: Key, count: Count, *, lasting: bool = False) -> None:
        """See `Page`."""
        self._counts[key] = count
        self._counts.move_to_end(key)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)


class InTable:
    """`Tries` of all processes that share a database."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._swept = 0.0

    def change(self, work: Callable[[Page], T], now: float) -> T:
        """Do a work in a transaction; a power cut may forget it."""

        def done(tx: Tx) -> T:
            if now - self._swept >= SWEEP_S:
                self._swept = now
                tx.run("DELETE FROM noria_tries WHERE at < ?", (now - DRAINED_S,))
            return work(_Rows(tx))

        return self._sql.write(done, durable=False)


class _Rows:
    """`Page` in a transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def knows(self, key: Key) -> bool:
        return bool(self._tx.run("SELECT 1 FROM noria_tries WHERE key = ?", (_named(key),)))

    def read(self, keys: Sequence[Key], now: float) -> list[Count]:
        found = {key: self._held(key, now) for key in sorted(keys, key=_named)}  # all take their locks in one order
        return [found[key] for key in keys]

    def put(self, key: Key, count: Count, *, lasting: bool = False) -> None:
        spent, at = count
        self._tx.run(
            "INSERT INTO noria_tries (key, spent, at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET spent = excluded.spent, at = excluded.at",
            (_named(key), spent, at + FORGOTTEN_S if lasting else at),
        )

    def _held(self, key: Key, now: float) -> Count:
        """The count, locked until the transaction ends."""
        ((spent, at),) = self._tx.run(
            "INSERT INTO noria_tries (key, spent, at) VALUES (?, 0, ?) ON CONFLICT (key) DO UPDATE SET spent = noria_tries.spent RETURNING spent, at",
            (_named(key), now),
        )
        return spent, at


def _named(key: Key) -> str:
    return digest_of("\0".join(key).encode("utf-8", "replace"))
