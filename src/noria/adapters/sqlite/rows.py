"""The SQL of documents and events: how each is written, found and read back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from noria.core.errors import Conflict
from noria.ports.records import Append, Line, Put, Record, Write

INDEX_LIMIT = 8
_RARE_ENOUGH = 2_000
_LINE_FIELDS = frozenset({"loop", "kind", "subject", "turn"})


def file(db: sqlite3.Connection, writes: Sequence[Write]) -> None:
    """Do writes in their order, within the transaction that is open."""
    for write in writes:
        if isinstance(write, Put):
            _put(db, write)
        else:
            _append(db, write)


def get(db: sqlite3.Connection, kind: str, key: str) -> Record | None:
    """One document."""
    row = db.execute("SELECT key, revision, body, terms FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return None if row is None else _record(kind, row)


def find(db: sqlite3.Connection, kind: str, *, where: Mapping[str, str] | None, limit: int, newest_first: bool, after: str) -> list[Record]:
    """See `Records.find`."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    asked = _rarest_first(db, kind, list((where or {}).items()))
    source, args = _source(kind, asked)
    if after:
        source, args = f"{source} AND s.key {beyond} ?", [*args, after]
    rows = db.execute(f"{source} ORDER BY s.key {order} LIMIT ?", [*args, max(limit, 0)]).fetchall()
    return [_record(kind, row) for row in rows]


def lines(
    db: sqlite3.Connection, *, after: int, where: Mapping[str, str] | None, limit: int, newest_first: bool, ids: Sequence[str]
) -> list[Line]:
    """See `Records.lines`."""
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
    order = "DESC" if newest_first else "ASC"
    query = f"SELECT position, id, body FROM events WHERE {' AND '.join(tests) or 'true'} ORDER BY position {order} LIMIT ?"
    return [Line(position=position, id=id, body=body) for position, id, body in db.execute(query, [*args, max(limit, 0)])]


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
