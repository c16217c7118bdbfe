"""Records on a PostgreSQL server: for control planes on several machines."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from noria.core.errors import Conflict, NotAllowed, Unavailable
from noria.ports.records import Append, Line, Put, Record, Write

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE noria_documents (
            kind text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, revision bigint NOT NULL, body bytea NOT NULL,
            terms text NOT NULL, PRIMARY KEY (kind, key))""",
        """CREATE TABLE noria_terms (
            kind text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, value text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
            PRIMARY KEY (kind, name, value, key))""",
        """CREATE TABLE noria_events (
            position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE, loop text COLLATE "C" NOT NULL,
            kind text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, turn text COLLATE "C" NOT NULL, body bytea NOT NULL)""",
        "CREATE INDEX noria_events_loop ON noria_events (loop, position)",
        "CREATE INDEX noria_events_loop_kind ON noria_events (loop, kind, position)",
        "CREATE INDEX noria_events_kind ON noria_events (kind, position)",
        "CREATE INDEX noria_events_subject ON noria_events (subject, position)",
        "CREATE INDEX noria_events_turn ON noria_events (turn, position)",
    ),
)
"""Statements that lead from each format version to the next; `noria_format` says which have run."""

INDEX_LIMIT = 8
_MIGRATING, _APPENDING = 7_700_001, 7_700_002
_CONNECT_S = 10
_FRESH_S = 1.0
_RARE_ENOUGH = 2_000
_LINE_FIELDS = frozenset({"loop", "kind", "subject", "turn"})


class Postgres:
    """`noria.ports.records.Records` in a PostgreSQL database (12 or newer), in tables named `noria_…`.

    Thread-safe: a connection serves one call at a time and is then used again. A compare-and-set
    locks the document's row. Events are appended under one advisory lock: positions become visible
    in their order, so whoever reads on from the last one misses none.

    Args:
        url: `postgresql://user:password@host:port/database`, or a libpq connection string.

    Raises:
        NotAllowed: the database was written by a newer Noria.
        Unavailable: the server does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = _name(url)
        self._idle: list[tuple[psycopg.Connection[Any], float]] = []
        self._inherited: list[list[tuple[psycopg.Connection[Any], float]]] = []
        self._pid = os.getpid()
        self._forking = threading.Lock()
        with self._connection() as db:
            _migrate(db, self._name)

    def get(self, kind: str, key: str) -> Record | None:
        """The document, or None."""
        with self._connection() as db:
            query = "SELECT key, revision, body, terms FROM noria_documents WHERE kind = %s AND key = %s"
            row = db.execute(query, (kind, key)).fetchone()
        return None if row is None else _record(kind, row)

    def find(
        self, kind: str, *, where: Mapping[str, str] | None = None, limit: int = 1_000, newest_first: bool = False, after: str = ""
    ) -> list[Record]:
        """Documents of a kind whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
        with self._connection() as db:
            asked = _rarest_first(db, kind, [(name, str(value)) for name, value in (where or {}).items()])
            source, args = _source(kind, asked)
            if after:
                source, args = f"{source} AND s.key {beyond} %s", [*args, after]
            rows = db.execute(f"{source} ORDER BY s.key {order} LIMIT %s", [*args, max(limit, 0)]).fetchall()
        return [_record(kind, row) for row in rows]

    def commit(self, *writes: Write) -> None:
        """Do all writes or none, in their order.

        Raises:
            Conflict: a `Put.expect` does not hold any more; nothing was written.
            ValueError: a `Put.index` has more than eight fields; nothing was written.
        """
        puts = [write for write in writes if isinstance(write, Put)]
        appends = [write for write in writes if isinstance(write, Append)]
        with self._connection() as db, db.transaction(), db.cursor() as cursor:
            if appends:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_APPENDING,))
                _append(cursor, appends)
            if puts:
                _put(cursor, puts)

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
            tests.append(f"{name} = %s")
            args.append(str(value))
        if ids:
            tests.append("id = ANY(%s)")
            args.append(list(ids))
        if not newest_first or after > 0:
            tests.append(f"position {'<' if newest_first else '>'} %s")
            args.append(max(after, 0))
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT position, id, body FROM noria_events WHERE {' AND '.join(tests) or 'true'} ORDER BY position {order} LIMIT %s"
        with self._connection() as db:
            rows = db.execute(query, [*args, max(limit, 0)]).fetchall()
        return [Line(position=position, id=id, body=bytes(body)) for position, id, body in rows]

    def close(self) -> None:
        """Close the connections that nobody uses; the next call opens a new one."""
        while self._idle:
            self._idle.pop()[0].close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        db = self._take()
        try:
            yield db
        except psycopg.OperationalError as error:
            db.close()
            raise Unavailable(f"{self._name} does not answer: {error}") from error
        except (Conflict, ValueError):
            self._idle.append((db, time.monotonic()))
            raise
        except BaseException:
            db.close()
            raise
        self._idle.append((db, time.monotonic()))

    def _take(self) -> psycopg.Connection[Any]:
        """A connection that answered just now; one that lay idle for long may have been cut."""
        with self._forking:
            if self._pid != os.getpid():
                self._inherited.append(self._idle)
                self._idle, self._pid = [], os.getpid()
        while True:
            try:
                db, used_at = self._idle.pop()
            except IndexError:
                return self._open()
            with suppress(psycopg.OperationalError):
                if time.monotonic() - used_at > _FRESH_S:
                    db.execute("SELECT 1")
                return db
            db.close()

    def _open(self) -> psycopg.Connection[Any]:
        try:
            db = psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_S)
            db.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            db.execute("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
        except psycopg.OperationalError as error:
            raise Unavailable(f"{self._name} does not answer: {error}") from error
        return db


def _name(url: str) -> str:
    parts = conninfo_to_dict(url)
    return f"PostgreSQL at {parts.get('host', 'the local socket')}, database {parts.get('dbname', 'of the user')}"


def _migrate(db: psycopg.Connection[Any], name: str) -> None:
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
        if db.execute("SELECT to_regclass('noria_format')").fetchone() == (None,):
            db.execute("CREATE TABLE noria_format (version integer NOT NULL)")
            db.execute("INSERT INTO noria_format VALUES (0)")
        row = db.execute("SELECT version FROM noria_format").fetchone()
        version = row[0] if row else 0
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        db.execute("UPDATE noria_format SET version = %s", (max(version, len(MIGRATIONS)),))
    if version > len(MIGRATIONS):
        raise NotAllowed(
            f"{name} has records of format {version}; this Noria knows formats up to {len(MIGRATIONS)}",
            fix="install the newer Noria that wrote them",
        )


def _put(cursor: psycopg.Cursor[Any], puts: Sequence[Put]) -> None:
    stored = _locked(cursor, sorted({(put.kind, put.key) for put in puts}))
    revisions = {place: revision for place, (revision, _) in stored.items()}
    newest: dict[tuple[str, str], Put] = {}
    for put in puts:
        place = (put.kind, put.key)
        if len(put.index) > INDEX_LIMIT:
            raise ValueError(f"{put.kind} {put.key!r} has {len(put.index)} index fields; {INDEX_LIMIT} are kept")
        if put.expect is not None and put.expect != revisions[place]:
            raise Conflict(f"{put.kind} {put.key!r} is at revision {revisions[place]}, not {put.expect}")
        revisions[place] += 1
        newest[place] = put
    updates, gone, come = [], [], []
    for (kind, key), put in newest.items():
        before, after = stored[kind, key][1], {str(name): str(value) for name, value in put.index.items()}
        updates.append((revisions[kind, key], put.body, json.dumps(after, sort_keys=True), kind, key))
        gone += [(kind, name, value, key) for name, value in before.items() - after.items()]
        come += [(kind, name, value, key) for name, value in after.items() - before.items()]
    cursor.executemany("UPDATE noria_documents SET revision = %s, body = %s, terms = %s WHERE kind = %s AND key = %s", updates)
    cursor.executemany("DELETE FROM noria_terms WHERE kind = %s AND name = %s AND value = %s AND key = %s", gone)
    cursor.executemany("INSERT INTO noria_terms (kind, name, value, key) VALUES (%s, %s, %s, %s)", come)


def _locked(cursor: psycopg.Cursor[Any], places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, dict[str, str]]]:
    """Lock the documents' rows; each one's revision and index.

    A document that is not there gets a row of revision 0, so that there is something to lock. All
    commits make and lock their rows in the same order: they wait for each other, but never in a circle.
    """
    args = ([kind for kind, _ in places], [key for _, key in places])
    cursor.execute(
        """INSERT INTO noria_documents (kind, key, revision, body, terms)
        SELECT p.kind, p.key, 0, '', '{}' FROM unnest(%s::text[], %s::text[]) AS p (kind, key) ORDER BY p.kind COLLATE "C", p.key COLLATE "C"
        ON CONFLICT DO NOTHING""",
        args,
    )
    cursor.execute(
        """SELECT kind, key, revision, terms FROM noria_documents
        WHERE (kind, key) IN (SELECT * FROM unnest(%s::text[], %s::text[])) ORDER BY kind, key FOR UPDATE""",
        args,
    )
    return {(kind, key): (revision, json.loads(terms)) for kind, key, revision, terms in cursor.fetchall()}


def _append(cursor: psycopg.Cursor[Any], events: Sequence[Append]) -> None:
    cursor.executemany(
        "INSERT INTO noria_events (id, loop, kind, subject, turn, body) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
        [(event.id, event.loop, event.kind, event.subject, event.turn, event.body) for event in events],
    )


def _rarest_first(db: psycopg.Connection[Any], kind: str, asked: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put the term that selects least in front: it leads the search, the others only confirm."""
    if len(asked) < 2:
        return asked
    count = "(SELECT count(*) FROM (SELECT 1 FROM noria_terms WHERE kind = %s AND name = %s AND value = %s LIMIT %s) t)"
    args = [arg for term in asked for arg in (kind, *term, _RARE_ENOUGH)]
    counts = db.execute(f"SELECT {', '.join([count] * len(asked))}", args).fetchone() or ()
    return [term for _, term in sorted(zip(counts, asked, strict=True), key=lambda pair: pair[0])]


def _source(kind: str, asked: list[tuple[str, str]]) -> tuple[str, list[Any]]:
    """The query without its order: `s` is the table that is walked in key order.

    OFFSET 0 keeps the planner from turning that walk into a join of everything: a loop and a state
    that each select much say nothing about how much they select together.
    """
    if not asked:
        return "SELECT s.key, s.revision, s.body, s.terms FROM noria_documents s WHERE s.kind = %s", [kind]
    also = " AND EXISTS (SELECT 1 FROM noria_terms o WHERE o.kind = s.kind AND o.name = %s AND o.value = %s AND o.key = s.key)"
    query = f"""SELECT s.key, d.revision, d.body, d.terms FROM noria_terms s CROSS JOIN LATERAL (
        SELECT revision, body, terms FROM noria_documents d WHERE d.kind = s.kind AND d.key = s.key{also * (len(asked) - 1)} OFFSET 0) d
        WHERE s.kind = %s AND s.name = %s AND s.value = %s"""
    return query, [arg for term in asked[1:] for arg in term] + [kind, *asked[0]]


def _record(kind: str, row: tuple[str, int, bytes, str]) -> Record:
    key, revision, body, terms = row
    return Record(kind=kind, key=key, revision=revision, body=bytes(body), index=json.loads(terms))
