"""Changes traces that are kept: tags, links to runs and prompts, deletion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.traces import rules
from noria.ports.sql import Sql, Tx

DELETED_AT_ONCE = 500
"""Traces that go in one transaction: others who write wait no longer than for these."""

PUT_TAG = "INSERT INTO noria_trace_tags VALUES (?, ?, ?) ON CONFLICT (trace, key) DO UPDATE SET value = excluded.value"

_OWN = ("noria_trace_tags", "noria_trace_metadata", "noria_trace_links", "noria_spans", "noria_assessments")


def link(tx: Tx, row: int, kind: str, targets: Sequence[str]) -> None:
    """Link a trace to runs or prompts; once is as often."""
    tx.many("INSERT INTO noria_trace_links VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [(row, kind, target) for target in targets])


def row_of(tx: Tx, project: str, id: str) -> int:
    """A trace's number.

    Raises:
        NotFound: the project has no such trace.
    """
    query = "SELECT t.row FROM noria_traces t JOIN noria_experiments e ON e.id = t.experiment WHERE t.id = ? AND e.project = ?"
    rows = tx.run(query, (id, project))
    if not rows:
        raise NotFound(f"Trace with ID '{id[:200]}' not found.")
    row: int = rows[0][0]
    return row


def set_tag(tx: Tx, project: str, id: str, key: str, value: str) -> None:
    """Set a tag, whatever it was.

    Raises:
        NotFound: there is no such trace.
        RequestInvalid: the key is not allowed, or the server's own.
    """
    key, value = _mutable(key, "set"), rules.value(value)
    row = row_of(tx, project, id)
    if key == rules.NAME:
        tx.run("UPDATE noria_traces SET name = ? WHERE row = ?", (value, row))
    else:
        tx.run(PUT_TAG, (row, key, value))


def delete_tag(tx: Tx, project: str, id: str, key: str) -> None:
    """Take a tag away.

    Raises:
        NotFound: there is no such trace, or it has no such tag.
        RequestInvalid: the tag is the server's own.
    """
    key = _mutable(key, "deleted")
    row = row_of(tx, project, id)
    if key == rules.NAME:
        gone = tx.run("UPDATE noria_traces SET name = '' WHERE row = ? AND name <> '' RETURNING row", (row,))
    else:
        gone = tx.run("DELETE FROM noria_trace_tags WHERE trace = ? AND key = ? RETURNING key", (row, key))
    if not gone:
        raise NotFound(f"No trace tag with key '{key}' for trace with ID '{id[:200]}'")


def link_to_run(tx: Tx, project: str, ids: Sequence[str], run: str) -> None:
    """Link traces to a run; ids of traces that are not there are passed over.

    Raises:
        NotFound: there is no such run.
        RequestInvalid: more than a hundred at once.
    """
    if len(ids) > rules.LINKED_AT_ONCE:
        raise RequestInvalid(
            f"Cannot link more than {rules.LINKED_AT_ONCE} traces to a run in a single request. Provided {len(ids)} traces."
        )
    found = tx.run(
        "SELECT r.row FROM noria_runs r JOIN noria_experiments e ON e.id = r.experiment WHERE r.id = ? AND e.project = ?", (run, project)
    )
    if not found:
        raise NotFound(f"Run with id={run[:300]} not found")
    if not ids:
        return
    marks = ", ".join("?" * len(ids))
    query = f"""SELECT t.row FROM noria_traces t JOIN noria_experiments e ON e.id = t.experiment
        WHERE e.project = ? AND t.id IN ({marks})"""
    for (row,) in tx.run(query, (project, *ids)):
        link(tx, row, "run", [run])


def link_prompts(tx: Tx, project: str, id: str, prompts: Sequence[str]) -> None:
    """Link a trace to the versions of prompts that it used, each as `name/version`.

    Raises:
        NotFound: there is no such trace.
    """
    link(tx, row_of(tx, project, id), "prompt", [rules.clean(prompt)[:500] for prompt in prompts])


def delete(
    sql: Sql,
    project: str,
    experiment: int,
    *,
    until_ms: int | None = None,
    most: int | None = None,
    ids: Sequence[str] | None = None,
) -> int:
    """Delete traces of an experiment with all that belongs to them, the oldest first; returns how many went.

    Args:
        until_ms: Only those that began then or before.
        most: At most so many.
        ids: Only these.
    """
    known = sql.read("SELECT 1 FROM noria_experiments WHERE id = ? AND project = ?", (experiment, project))
    if not known or (ids is not None and not ids) or (most is not None and most <= 0):
        return 0
    tests, args = ["experiment = ?"], [experiment]
    if until_ms is not None:
        tests.append("at_ms <= ?")
        args.append(until_ms)
    gone = 0
    for some in [()] if ids is None else [tuple(ids[at : at + DELETED_AT_ONCE]) for at in range(0, len(ids), DELETED_AT_ONCE)]:
        listed = [f"id IN ({', '.join('?' * len(some))})"] if some else []
        query = f"SELECT row FROM noria_traces WHERE {' AND '.join([*tests, *listed])} ORDER BY at_ms, id LIMIT ?"
        while most is None or gone < most:
            limit = DELETED_AT_ONCE if most is None else min(DELETED_AT_ONCE, most - gone)
            count = sql.write(_Delete(query, (*args, *some, limit)))
            gone += count
            if count < limit:
                break
    return gone


def _mutable(key: str, done: str) -> str:
    key = rules.key(key)
    if key in rules.OF_THE_SERVER:
        raise RequestInvalid(f"Tag '{key}' is immutable and cannot be {done} on a trace.")
    return key


class _Delete:
    """One transaction's part of a deletion."""

    def __init__(self, query: str, args: Sequence[Any]) -> None:
        self._query, self._args = query, args

    def __call__(self, tx: Tx) -> int:
        found = [row for (row,) in tx.run(self._query, self._args)]
        marks = ", ".join("?" * len(found))
        if found:
            for table in _OWN:
                tx.run(f"DELETE FROM {table} WHERE trace IN ({marks})", found)
            tx.run(f"DELETE FROM noria_traces WHERE row IN ({marks})", found)
        return len(found)
