"""Which formats a file can have, and how each leads to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from noria.core.errors import NotAllowed
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

    Raises:
        NotAllowed: the file was written by a newer Noria.
    """
    if not _behind(db, path):
        return
    with transaction(db):
        for name, version, steps in _behind(db, path):
            for statements in steps[version:]:
                for statement in statements:
                    db.execute(statement if name == "" else statement.format_map(_WORDS))
            if name == "":
                db.execute(f"PRAGMA user_version = {len(steps)}")
            else:
                db.execute("CREATE TABLE IF NOT EXISTS formats (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
                db.execute("INSERT OR REPLACE INTO formats VALUES (?, ?)", (name, len(steps)))


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
