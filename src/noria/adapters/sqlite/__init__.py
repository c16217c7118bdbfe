"""Records and tables in one SQLite file: durable, indexed, shared by all processes of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from noria.adapters.sqlite import rows
from noria.adapters.sqlite.connections import Connections
from noria.adapters.sqlite.formats import migrate
from noria.adapters.sqlite.pen import Pen
from noria.ports.records import Line, Record, Write
from noria.ports.sql import Outcome, Row, Work

T = TypeVar("T")


class Sqlite:
    """`noria.ports.records.Records` and `noria.ports.sql.Sql` in a SQLite file in WAL mode.

    Thread-safe: a connection serves one call at a time and is then used again. Process-safe:
    writers take the file's lock for the length of a commit. A forked child opens its own connections.

    Raises:
        NotAllowed: the file was written by a newer Noria.
        Unavailable: the file cannot be opened, or stays locked, or its disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dialect = SqliteDialect()
        self._connections = Connections(path)
        self._pen = Pen(self._connections)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connections.one() as db:
            migrate(db, path)

    def get(self, kind: str, key: str) -> Record | None:
        """The document, or None."""
        with self._connections.one() as db:
            return rows.get(db, kind, key)

    def find(
        self, kind: str, *, where: Mapping[str, str] | None = None, limit: int = 1_000, newest_first: bool = False, after: str = ""
    ) -> list[Record]:
        """Documents of a kind whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        with self._connections.one() as db:
            return rows.find(db, kind, where=where, limit=limit, newest_first=newest_first, after=after)

    def commit(self, *writes: Write) -> None:
        """Do all writes or none, in their order.

        Raises:
            Conflict: a `Put.expect` does not hold any more; nothing was written.
            ValueError: a `Put.index` has more than eight fields; nothing was written.
        """
        self._pen.write(lambda tx: tx.file(*writes), durable=True)

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
        with self._connections.one() as db:
            return rows.lines(db, after=after, where=where, limit=limit, newest_first=newest_first, ids=ids)

    def read(self, query: str, args: Sequence[Any] = ()) -> list[Row]:
        """Rows of a SELECT."""
        with self._connections.one() as db:
            return db.execute(query, args).fetchall()

    def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Do a work in a transaction and return its value."""
        done: T = self._pen.write(work, durable=durable)
        return done

    def attempt(self, works: Sequence[Work[Any]]) -> list[Outcome] | None:
        """As `write(durable=False)` for each, in one commit, unless another thread or process writes now."""
        return self._pen.attempt(works)

    def flush(self) -> None:
        """Sync the log and bring it into the file; writers go on meanwhile."""
        with self._connections.one() as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the connections that nobody uses; the next call opens a new one."""
        self._pen.close()
        self._connections.close()


class SqliteDialect:
    """`noria.ports.sql.Dialect`."""

    name = "sqlite"

    def like(self, column: str, pattern: str, *, case: bool) -> tuple[str, str]:
        """LIKE ignores the case of letters here, GLOB does not."""
        if not case:
            return f"{column} LIKE ?", pattern
        return f"{column} GLOB ?", "".join({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}.get(sign, sign) for sign in pattern)

    def equal(self, column: str, text: str) -> tuple[str, list[str]]:
        """An index holds whole values here."""
        return f"{column} = ?", [text]

    def matches(self, column: str) -> str:
        """`re.search`, which each connection brings along."""
        return f"{column} REGEXP ?"
