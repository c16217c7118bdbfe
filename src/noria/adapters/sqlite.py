"""Records in one SQLite file: durable, indexed, shared by all processes of one machine."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from noria.core.errors import Conflict, NotAllowed, Unavailable
from noria.ports.records import Append, Line, Put, Record, Write

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE documents (
            kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL, terms TEXT NOT NULL,
            UNIQUE (kind, key))""",
        """CREATE TABLE terms (
            kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL,
            PRIMARY KEY (kind, name, value, key)) WITHOUT ROWID""",
        """CREATE TABLE events (
            position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, loop TEXT NOT NULL, kind TEXT NOT NULL,
            subject TEXT NOT NULL, turn TEXT NOT NULL, body BLOB NOT NULL)""",
        "CREATE INDEX events_loop ON events (loop)",
        "CREATE INDEX events_loop_kind ON events (loop, kind)",
        "CREATE INDEX events_kind ON events (kind)",
        "CREATE INDEX events_subject ON events (subject)",
        "CREATE INDEX events_turn ON events (turn)",
    ),
)
"""Statements that lead from each format version to the next; `PRAGMA user_version` says which have run."""

INDEX_LIMIT = 8
_BUSY_S = 30.0
_RARE_ENOUGH = 2_000
_LINE_FIELDS = frozenset({"loop", "kind", "subject", "turn"})


class Sqlite:
    """`noria.ports.records.Records` in a SQLite file in WAL mode, one fsync a commit.

    Thread-safe: a connection serves one call at a time and is then used again. Process-safe:
    writers take the file's lock for the length of a commit. A forked child opens its own connections.

    Raises:
        NotAllowed: the file was written by a newer Noria.
        Unavailable: the file cannot be opened, or stays locked, or its disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[list[sqlite3.Connection]] = []
        self._pid = os.getpid()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as db:
            _migrate(db, path)

    def get(self, kind: str, key: str) -> Record | None:
        """The document, or None."""
        with self._connection() as db:
            row = db.execute("SELECT key, revision, body, terms FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if row is None else _record(kind, row)

    def find(
        self, kind: str, *, where: Mapping[str, str] | None = None, limit: int = 1_000, newest_first: bool = False, after: str = ""
    ) -> list[Record]:
        """Documents of a kind whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
        with self._connection() as db:
            asked = _rarest_first(db, kind, list((where or {}).items()))
            source, args = _source(kind, asked)
            if after:
                source, args = f"{source} AND s.key {beyond} ?", [*args, after]
            rows = db.execute(f"{source} ORDER BY s.key {order} LIMIT ?", [*args, max(limit, 0)]).fetchall()
        return [_record(kind, row) for row in rows]

    def commit(self, *writes: Write) -> None:
        """Do all writes or none, in their order.

        Raises:
            Conflict: a `Put.expect` does not hold any more; nothing was written.
            ValueError: a `Put.index` has more than eight fields; nothing was written.
        """
        with self._writing, self._connection() as db, _transaction(db):
            for write in writes:
                if isinstance(write, Put):
                    _put(db, write)
                else:
                    _append(db, write)

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
        tests: list[str] = []
        args: list[Any] = []
        for name, value in (where or {}).items():
            if name not in _LINE_FIELDS:
                raise ValueError(f"events are selected by {', '.join(sorted(_LINE_FIELDS))}, not by {name!r}")
            tests.append(f"{name} = ?")
            args.append(value)
        if ids:
            tests.append("id IN (SELECT value FROM json_each(?))")
            args.append(json.dumps(list(ids)))
        if not newest_first or after > 0:
            tests.append(f"position {'<' if newest_first else '>'} ?")
            args.append(max(after, 0))
        query = f"SELECT position, id, body FROM events WHERE {' AND '.join(tests) or 'true'} ORDER BY position {'DESC' if newest_first else 'ASC'} LIMIT ?"
        with self._connection() as db:
            rows = db.execute(query, [*args, max(limit, 0)]).fetchall()
        return [Line(position=position, id=id, body=body) for position, id, body in rows]

    def close(self) -> None:
        """Close the connections that nobody uses; the next call opens a new one."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._pid != os.getpid():
            self._inherited.append(self._idle)
            self._idle, self._writing, self._pid = [], threading.Lock(), os.getpid()
        try:
            db = self._idle.pop()
        except IndexError:
            db = _open(self.path)
        try:
            yield db
        except Conflict:
            self._idle.append(db)
            raise
        except sqlite3.OperationalError as error:
            db.close()
            raise Unavailable(f"the records in {self.path} do not answer: {error}") from error
        except BaseException:
            db.close()
            raise
        self._idle.append(db)


def _open(path: Path) -> sqlite3.Connection:
    give_up = time.monotonic() + _BUSY_S
    while True:
        try:
            db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the records in {path} cannot be opened: {error}") from error
        try:
            # Several processes that create one file together: SQLite answers "locked" here without waiting.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA fullfsync = ON")
            return db
        except sqlite3.DatabaseError as error:
            db.close()
            if not isinstance(error, sqlite3.OperationalError) or time.monotonic() > give_up:
                raise Unavailable(f"the records in {path} cannot be opened: {error}") from error
            time.sleep(0.01)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version < len(MIGRATIONS):
        with _transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {max(version, len(MIGRATIONS))}")
    if version > len(MIGRATIONS):
        raise NotAllowed(
            f"{path} has records of format {version}; this Noria knows formats up to {len(MIGRATIONS)}",
            fix="install the newer Noria that wrote them",
        )


def _put(db: sqlite3.Connection, put: Put) -> None:
    if len(put.index) > INDEX_LIMIT:
        raise ValueError(f"{put.kind} {put.key!r} has {len(put.index)} index fields; {INDEX_LIMIT} are kept")
    row = db.execute("SELECT revision, terms FROM documents WHERE kind = ? AND key = ?", (put.kind, put.key)).fetchone()
    revision, before = row or (0, "{}")
    if put.expect is not None and put.expect != revision:
        raise Conflict(f"{put.kind} {put.key} is at revision {revision}, not {put.expect}")
    after = json.dumps(dict(put.index), sort_keys=True)
    db.execute(
        """INSERT INTO documents (kind, key, revision, body, terms) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, body = excluded.body, terms = excluded.terms""",
        (put.kind, put.key, revision + 1, put.body, after),
    )
    if before != after:
        old, new = set(json.loads(before).items()), set(put.index.items())
        gone = [(put.kind, name, value, put.key) for name, value in old - new]
        come = [(put.kind, name, value, put.key) for name, value in new - old]
        db.executemany("DELETE FROM terms WHERE kind = ? AND name = ? AND value = ? AND key = ?", gone)
        db.executemany("INSERT INTO terms (kind, name, value, key) VALUES (?, ?, ?, ?)", come)


def _append(db: sqlite3.Connection, event: Append) -> None:
    db.execute(
        "INSERT INTO events (id, loop, kind, subject, turn, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (event.id, event.loop, event.kind, event.subject, event.turn, event.body),
    )


def _rarest_first(db: sqlite3.Connection, kind: str, asked: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put the term that selects least in front: it leads the search, the others only confirm."""
    if len(asked) < 2:
        return asked
    count = "SELECT count(*) FROM (SELECT 1 FROM terms WHERE kind = ? AND name = ? AND value = ? LIMIT ?)"
    return sorted(asked, key=lambda term: db.execute(count, (kind, *term, _RARE_ENOUGH)).fetchone()[0])


def _source(kind: str, asked: list[tuple[str, str]]) -> tuple[str, list[Any]]:
    """The query without its order: `s` is the table that is walked in key order."""
    if not asked:
        return "SELECT s.key, s.revision, s.body, s.terms FROM documents s WHERE s.kind = ?", [kind]
    query = """SELECT s.key, d.revision, d.body, d.terms FROM terms s CROSS JOIN documents d ON d.kind = s.kind AND d.key = s.key
        WHERE s.kind = ? AND s.name = ? AND s.value = ?"""
    args: list[Any] = [kind, *asked[0]]
    for term in asked[1:]:
        query += " AND EXISTS (SELECT 1 FROM terms o WHERE o.kind = s.kind AND o.name = ? AND o.value = ? AND o.key = s.key)"
        args += term
    return query, args


def _record(kind: str, row: tuple[str, int, bytes, str]) -> Record:
    key, revision, body, terms = row
    return Record(kind=kind, key=key, revision=revision, body=body, index=json.loads(terms))
