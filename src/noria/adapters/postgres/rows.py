"""The SQL of documents and events: how each is written, found and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from noria.core.errors import Conflict
from noria.ports.records import Append, Line, Put, Record, Write

INDEX_LIMIT = 8
_APPENDING = 7_700_002
_RARE_ENOUGH = 2_000
_LINE_FIELDS = frozenset({"loop", "kind", "subject", "turn"})


def file(cursor: psycopg.Cursor[Any], writes: Sequence[Write]) -> None:
    """Do writes within the transaction that is open."""
    puts = [write for write in writes if isinstance(write, Put)]
    appends = [write for write in writes if isinstance(write, Append)]
    if appends:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_APPENDING,))
        _append(cursor, appends)
    if puts:
        _put(cursor, puts)


def get(db: psycopg.Connection[Any], kind: str, key: str) -> Record | None:
    """One document."""
    query = "SELECT key, revision, body, terms FROM noria_documents WHERE kind = %s AND key = %s"
    row = db.execute(query, (kind, key)).fetchone()
    return None if row is None else _record(kind, row)


def find(
    db: psycopg.Connection[Any], kind: str, *, where: Mapping[str, str] | None, limit: int, newest_first: bool, after: str
) -> list[Record]:
    """See `Records.find`."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    asked = _rarest_first(db, kind, [(name, str(value)) for name, value in (where or {}).items()])
    source, args = _source(kind, asked)
    if after:
        source, args = f"{source} AND s.key {beyond} %s", [*args, after]
    rows = db.execute(f"{source} ORDER BY s.key {order} LIMIT %s", [*args, max(limit, 0)]).fetchall()
    return [_record(kind, row) for row in rows]


def lines(
    db: psycopg.Connection[Any], *, after: int, where: Mapping[str, str] | None, limit: int, newest_first: bool, ids: Sequence[str]
) -> list[Line]:
    """See `Records.lines`."""
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
    rows = db.execute(query, [*args, max(limit, 0)]).fetchall()
    return [Line(position=position, id=id, body=bytes(body)) for position, id, body in rows]


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
