"""The one who writes: works of many threads, one after the other, as many as wait in one commit.

SQLite lets one connection write at a time. Whoever holds the pen does all works that wait for it, each in a
savepoint of its own, and commits once: under load an fsync is shared by all who came while the one before ran.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from noria.adapters.sqlite.connections import BUSY_S, Connections, open_file
from noria.adapters.sqlite.rows import file
from noria.ports.records import Write
from noria.ports.sql import Outcome, Row, Work

_MOST_TOGETHER = 512


class Transaction:
    """`noria.ports.sql.Tx` on a connection whose transaction is open."""

    __slots__ = ("_db", "_one")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._one = db.execute

    def run(self, query: str, args: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        return self._one(query, args).fetchall()

    def many(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of arguments."""
        self._db.executemany(query, rows)

    def file(self, *writes: Write) -> None:
        """Write documents and events in this transaction."""
        file(self._db, writes)


class _Job:
    __slots__ = ("done", "durable", "outcome", "work")

    def __init__(self, work: Work[Any], durable: bool) -> None:
        self.work, self.durable, self.done = work, durable, False
        self.outcome = Outcome()


class Pen:
    """Writes for all threads of a process, and waits for other processes' commits. Thread-safe."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._anew()

    def write(self, work: Work[Any], *, durable: bool) -> Any:
        """Do a work, together with those that wait beside it.

        Raises:
            Unavailable: the file stays locked, or its disk is full; nothing was written.
        """
        if self._connections.forked():
            self._connections.inherited.append(self._db)
            self._anew()
        job = _Job(work, durable)
        self._waiting.append(job)
        with self._lock:
            while not job.done:
                self._serve([self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_TOGETHER))])
        if job.outcome.error is not None:
            raise job.outcome.error
        return job.outcome.value

    def attempt(self, works: Sequence[Work[Any]]) -> list[Outcome] | None:
        """Do works now if nobody else writes; they survive a power cut after the next checkpoint."""
        if self._connections.forked() or self._waiting or not self._lock.acquire(blocking=False):
            return None
        try:
            db = self._ready(durable=False, busy_ms=0)
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return None
            return self._all(db, works)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection; the next work opens another."""
        with self._lock:
            self._drop()

    def _anew(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._db: sqlite3.Connection | None = None
        self._set = (True, -1)

    def _serve(self, jobs: Sequence[_Job]) -> None:
        try:
            db = self._ready(durable=any(job.durable for job in jobs), busy_ms=int(BUSY_S * 1_000))
            db.execute("BEGIN IMMEDIATE")
            outcomes = self._all(db, [job.work for job in jobs])
        except sqlite3.OperationalError as error:
            self._drop()
            outcomes = [Outcome(error=self._connections.unavailable(error)) for _ in jobs]
        except BaseException as error:  # noqa: BLE001 - each caller gets it
            self._drop()
            outcomes = [Outcome(error=error) for _ in jobs]
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.outcome, job.done = outcome, True

    def _all(self, db: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Outcome]:
        """Do works within the open transaction and commit; one that fails is undone alone."""
        tx = Transaction(db)
        try:
            outcomes = [self._alone(db, tx, work) for work in works] if len(works) > 1 else [Outcome(works[0](tx))]
            db.execute("COMMIT")
        except BaseException as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if len(works) > 1 or isinstance(error, sqlite3.OperationalError) or not isinstance(error, Exception):
                raise
            return [Outcome(error=error)]
        return outcomes

    def _alone(self, db: sqlite3.Connection, tx: Transaction, work: Work[Any]) -> Outcome:
        db.execute("SAVEPOINT work")
        try:
            value = work(tx)
        except Exception as error:
            if not db.in_transaction:  # the disk is full: SQLite has undone everything
                raise
            db.execute("ROLLBACK TO work")
            db.execute("RELEASE work")
            return Outcome(error=self._connections.unavailable(error) if isinstance(error, sqlite3.OperationalError) else error)
        db.execute("RELEASE work")
        return Outcome(value)

    def _ready(self, *, durable: bool, busy_ms: int) -> sqlite3.Connection:
        if self._db is None:
            self._db, self._set = open_file(self._connections.path), (True, -1)
        if self._set != (durable, busy_ms):
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute(f"PRAGMA busy_timeout = {busy_ms}")
            self._set = (durable, busy_ms)
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
