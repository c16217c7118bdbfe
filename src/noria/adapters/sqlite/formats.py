"""Which formats a file can have, and how each leads to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from noria.adapters.sqlite.backups import before_migration
from noria.core.errors import NotAllowed
from noria.core.formats import Behind
from noria.ports.relations import GROUPS

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


_WORDS = {
    "text": "TEXT",
    "real": "REAL",
    "bytes": "BLOB",
    "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "clustered": "WITHOUT ROWID",
    "head": "value",
}


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Lead a file to the newest format, whatever it has now; several processes may do so together.

    What is in a file is copied into `backups/` first. The first process holds the file's pen from the copy to the last
    statement: others wait, and find nothing left to do. What fails leaves file and format as they were.

    Raises:
        NotAllowed: the file was written by a newer Noria.
        Unavailable: it could not be copied, so nothing was changed.
    """
    if not _behind(db, path):
        return
    with transaction(db):
        found = _behind(db, path)
        if found and _holds_anything(db, found):
            before_migration(path, "-".join(f"{name or 'records'}.{len(steps)}" for name, _, steps in found))
        for name, version, steps in found:
            for statements in steps[version:]:
                for statement in statements:
                    db.execute(statement if name == "" else statement.format_map(_WORDS))
            if name == "":
                db.execute(f"PRAGMA user_version = {len(steps)}")
            else:
                db.execute("CREATE TABLE IF NOT EXISTS formats (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
                db.execute("INSERT OR REPLACE INTO formats VALUES (?, ?)", (name, len(steps)))


def behind(path: Path) -> list[Behind]:
    """What opening a file would migrate; the file stays as it is.

    Raises:
        NotAllowed: the file was written by a newer Noria.
    """
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return [
            Behind(
                group=name or "records",
                has=has,
                newest=len(steps),
                statements=[one if name == "" else one.format_map(_WORDS) for step in steps[has:] for one in step],
            )
            for name, has, steps in _behind(db, path)
        ]


def _holds_anything(db: sqlite3.Connection, found: Sequence[tuple[str, int, Sequence[Sequence[str]]]]) -> bool:
    """Whether there is something to lose: a file that is being made has no records yet."""
    fresh = any(name == "" and has == 0 for name, has, _ in found)
    if fresh:
        return False
    return any(db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("documents", "events"))


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Hold the file's pen for a while: all that is written within is kept, or none."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _behind(db: sqlite3.Connection, path: Path) -> list[tuple[str, int, Sequence[Sequence[str]]]]:
    """What is not of the newest format: a group's name ("" = records), the format it has, and all its steps."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'formats'").fetchone()
    versions = {"": version, **(dict(db.execute("SELECT name, version FROM formats").fetchall()) if known else {})}
    steps: dict[str, Sequence[Sequence[str]]] = {"": MIGRATIONS, **GROUPS}
    for name, has in versions.items():
        if name in steps and has > len(steps[name]):
            raise NotAllowed(
                f"{path} has {name or 'records'} of format {has}; this Noria knows formats up to {len(steps[name])}",
                fix="install the newer Noria that wrote them",
            )
    return [(name, versions.get(name, 0), all_steps) for name, all_steps in steps.items() if versions.get(name, 0) < len(all_steps)]
