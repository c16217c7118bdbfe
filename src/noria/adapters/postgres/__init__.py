"""Records and tables on a PostgreSQL server: for control planes on several machines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from noria.adapters.postgres import rows
from noria.adapters.postgres.formats import behind, migrate
from noria.core.errors import NoriaError, Unavailable
from noria.core.formats import Behind
from noria.ports.records import Line, Record, Write
from noria.ports.sql import Outcome, Row, Work

_CONNECT_S = 10
_FRESH_S = 1.0

T = TypeVar("T")


class Postgres:
    """`noria.ports.records.Records` and `noria.ports.sql.Sql` in a PostgreSQL database (12 or newer), in tables named `noria_…`.

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
        self.dialect = PostgresDialect()
        self._name = _name(url)
        self._idle: list[tuple[psycopg.Connection[Any], float]] = []
        self._inherited: list[list[tuple[psycopg.Connection[Any], float]]] = []
        self._pid = os.getpid()
        self._forking = threading.Lock()
        try:
            with self._connection() as db:
                migrate(db, self._name)
        except BaseException:
            self.close()
            raise

    def get(self, kind: str, key: str) -> Record | None:
        """The document, or None."""
        with self._connection() as db:
            return rows.get(db, kind, key)

    def find(
        self, kind: str, *, where: Mapping[str, str] | None = None, limit: int = 1_000, newest_first: bool = False, after: str = ""
    ) -> list[Record]:
        """Documents of a kind whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        with self._connection() as db:
            return rows.find(db, kind, where=where, limit=limit, newest_first=newest_first, after=after)

    def commit(self, *writes: Write) -> None:
        """Do all writes or none, in their order.

        Raises:
            Conflict: a `Put.expect` does not hold any more; nothing was written.
            ValueError: a `Put.index` has more than eight fields; nothing was written.
        """
        self.write(lambda tx: tx.file(*writes))

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
        with self._connection() as db:
            return rows.lines(db, after=after, where=where, limit=limit, newest_first=newest_first, ids=ids)

    def read(self, query: str, args: Sequence[Any] = ()) -> list[Row]:
        """Rows of a SELECT."""
        with self._connection() as db:
            return db.execute(_placed(query), args).fetchall()

    def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Do a work in a transaction and return its value; the server shares an fsync between those that commit together."""
        with self._connection() as db, db.transaction(), db.cursor() as cursor:
            if not durable:
                cursor.execute("SET LOCAL synchronous_commit = off")
            return work(Transaction(cursor))

    def attempt(self, works: Sequence[Work[Any]]) -> list[Outcome] | None:
        """None: a server elsewhere is always waited for."""
        return None

    def flush(self) -> None:
        """Nothing to do: the server's own writer syncs what was committed within a second (`wal_writer_delay`)."""

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
        except (NoriaError, ValueError):
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


class Transaction:
    """`noria.ports.sql.Tx` on a cursor whose transaction is open."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    def run(self, query: str, args: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        self._cursor.execute(_placed(query), args)
        return self._cursor.fetchall() if self._cursor.description is not None else []

    def many(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of arguments."""
        self._cursor.executemany(_placed(query), rows)

    def file(self, *writes: Write) -> None:
        """Write documents and events in this transaction."""
        rows.file(self._cursor, writes)


class PostgresDialect:
    """`noria.ports.sql.Dialect`."""

    name = "postgres"

    def like(self, column: str, pattern: str, *, case: bool) -> tuple[str, str]:
        """LIKE tells upper from lower case, ILIKE does not; ESCAPE '' takes the backslash as it is."""
        return f"{column} {'LIKE' if case else 'ILIKE'} ? ESCAPE ''", pattern

    def equal(self, column: str, text: str) -> tuple[str, list[str]]:
        """An entry of an index has at most 2,704 bytes here, so that it holds the first 300 characters."""
        return f"left({column}, 300) = ? AND {column} = ?", [text[:300], text]

    def matches(self, column: str) -> str:
        """A POSIX regular expression."""
        return f"{column} ~ ?"


@lru_cache(maxsize=4_096)
def _placed(query: str) -> str:
    """The query with this driver's placeholders."""
    return query.replace("%", "%%").replace("?", "%s")


def _name(url: str) -> str:
    parts = conninfo_to_dict(url)
    return f"PostgreSQL at {parts.get('host', 'the local socket')}, database {parts.get('dbname', 'of the user')}"


def waiting(url: str) -> list[Behind]:
    """What opening a database would migrate; it stays as it is.

    Raises:
        NotAllowed: it was written by a newer Noria.
        Unavailable: the server does not answer.
    """
    try:
        with psycopg.connect(url, autocommit=True) as db:
            return behind(db, _name(url))
    except psycopg.OperationalError as error:
        raise Unavailable(f"the records in {_name(url)} do not answer: {str(error).strip()}") from error
