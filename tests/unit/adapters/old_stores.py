"""Makes SQLite stores as earlier Norias left them, in every format that there ever was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from noria.adapters.sqlite.formats import _WORDS, MIGRATIONS
from noria.ports.relations import GROUPS


def formats() -> Iterator[dict[str, int]]:
    """Every format of each group, as they came one after the other: a group may build on those before it."""
    for version in range(1, len(MIGRATIONS) + 1):
        yield {"records": version}
    there = {"records": len(MIGRATIONS)}
    for group, steps in GROUPS.items():
        for version in range(1, len(steps) + 1):
            yield there | {group: version}
        there |= {group: len(steps)}


def make(path: Path, has: dict[str, int]) -> None:
    """A store of those formats, with one document and one event in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        for step in MIGRATIONS[: has["records"]]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {has['records']}")
        groups = {group: version for group, version in has.items() if group != "records"}
        if groups:
            db.execute("CREATE TABLE formats (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
        for group, version in groups.items():
            for step in GROUPS[group][:version]:
                for statement in step:
                    db.execute(statement.format_map(_WORDS))
            db.execute("INSERT INTO formats VALUES (?, ?)", (group, version))
        db.execute("INSERT INTO documents (kind, key, revision, body, terms) VALUES ('k', 'a', 7, x'31', '{\"state\": \"open\"}')")
        db.execute("INSERT INTO terms VALUES ('k', 'state', 'open', 'a')")
        db.execute("INSERT INTO events (id, loop, kind, subject, turn, body) VALUES ('e1', 'l', 'k', 's', '', x'32')")
