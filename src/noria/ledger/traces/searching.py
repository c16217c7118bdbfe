"""Searches traces: filtered, ordered, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noria.ledger.searching.grammar import Order, parse_order
from noria.ledger.searching.pages import after_token, page_token, query_mark
from noria.ledger.searching.targets import TRACES
from noria.ledger.traces import rules
from noria.ledger.traces.filters import ATTRIBUTES, Test, tests_of
from noria.ledger.traces.reading import COLUMNS, Trace, with_details
from noria.ports.sql import Sql

RARE = 2_000
"""So many traces that meet a test are listed first; more are met on the way through the newest."""

_NULLABLE = ("execution_time_ms", "end_time_ms")
_TEXTS = ("status", "request_id")


def search(
    sql: Sql,
    project: str,
    experiments: Sequence[int],
    *,
    filter: str = "",
    order: Sequence[str] = (),
    limit: int = 100,
    token: str = "",
) -> tuple[list[Trace], str]:
    """One page of traces of a project's experiments, the newest first, and the token of the next ("" = there is none).

    Raises:
        RequestInvalid: filter, order or token cannot be read.
    """
    tests = tests_of(filter, sql.dialect)
    keys, key_args = _keys(parse_order(order, TRACES))
    known = within(sql, project, experiments)
    mark = query_mark("traces", project, sorted(known), filter, list(order))
    after = after_token(token, mark, marks=len(keys))
    if not known:
        return [], ""
    where, args = scope(sql, known, tests)
    if after is not None:
        beyond, more = _beyond(keys, key_args, after)
        where, args = f"{where} AND {beyond}", [*args, *more]
    shown = ", ".join(key for key, _ in keys)
    ordered = ", ".join(f"{key} {direction}" for key, direction in keys)
    flat = [arg for some in key_args for arg in some]
    query = f"SELECT {COLUMNS}, {shown} FROM noria_traces t WHERE {where} ORDER BY {ordered} LIMIT ?"
    rows = sql.read(query, [*flat, *args, *flat, limit + 1])
    more_to_come = len(rows) > limit
    rows = rows[:limit]
    width = len(keys)
    found = with_details(sql, [row[:-width] for row in rows])
    return found, page_token(mark, rows[-1][-width:]) if more_to_come else ""


def within(sql: Sql, project: str, experiments: Sequence[int]) -> list[int]:
    """Those of the experiments that the project has."""
    wanted = list(dict.fromkeys(experiments))
    found: list[int] = []
    for at in range(0, len(wanted), 500):
        part = wanted[at : at + 500]
        query = f"SELECT id FROM noria_experiments WHERE project = ? AND id IN ({', '.join('?' * len(part))})"
        found += [id for (id,) in sql.read(query, (project, *part))]
    return found


def scope(sql: Sql, experiments: Sequence[int], tests: Sequence[Test]) -> tuple[str, list[Any]]:
    """The condition that a trace `t` is one of these experiments' and meets the tests.

    What few traces meet is listed first, by its index; what many meet is asked of one trace after the other, and met soon.
    """
    parts: list[str] = []
    args: list[Any] = []
    led = False
    for test in tests:
        if test.listed and _is_rare(sql, test):
            parts.append(f"t.row IN ({test.listed})")
            led = True
        else:
            parts.append(f"({test.sql})")
        args += test.args
    column = "+t.experiment" if led else "t.experiment"  # the sign keeps a planner from leading with an index of all traces
    if len(experiments) == 1:
        return " AND ".join([f"{column} = ?", *parts]), [experiments[0], *args]
    return " AND ".join([f"{column} IN ({', '.join('?' * len(experiments))})", *parts]), [*experiments, *args]


def _is_rare(sql: Sql, test: Test) -> bool:
    found = sql.read(f"SELECT COUNT(*) FROM ({test.listed} LIMIT {RARE + 1}) few", test.args)
    return bool(found[0][0] <= RARE)


def _keys(orders: Sequence[Order]) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """What rows are ordered by, none of it ever NULL, each with its direction and arguments; missing values come last."""
    keys: list[tuple[str, str]] = []
    args: list[tuple[Any, ...]] = []
    for order in orders:
        direction = "ASC" if order.ascending else "DESC"
        column, some, empty, nullable = _column(order)
        if nullable:
            keys.append((f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END", "ASC"))
            args.append(some)
            column = f"COALESCE({column}, {empty})"
        keys.append((column, direction))
        args.append(some)
    for column, direction in (("t.at_ms", "DESC"), ("t.id", "ASC")):
        if all(column != key for key, _ in keys):
            keys.append((column, direction))
            args.append(())
    return keys, args


def _column(order: Order) -> tuple[str, tuple[Any, ...], str, bool]:
    if order.kind == "attribute":
        nullable = order.key in _NULLABLE
        return ATTRIBUTES[order.key], (), "''" if order.key in _TEXTS else "0", nullable
    if (order.kind, order.key) == ("tag", rules.NAME):
        return "NULLIF(t.name, '')", (), "''", True
    table = "noria_trace_tags" if order.kind == "tag" else "noria_trace_metadata"
    return f"(SELECT o.value FROM {table} o WHERE o.trace = t.row AND o.key = ?)", (order.key,), "''", True


def _beyond(keys: Sequence[tuple[str, str]], args: Sequence[tuple[Any, ...]], after: Sequence[Any]) -> tuple[str, list[Any]]:
    """The condition that a row comes after the one with these values."""
    alternatives: list[str] = []
    given: list[Any] = []
    for n, ((key, direction), mark) in enumerate(zip(keys, after, strict=True)):
        same = [f"{before} = ?" for before, _ in keys[:n]]
        alternatives.append(" AND ".join([*same, f"{key} {'>' if direction == 'ASC' else '<'} ?"]))
        for m in range(n):
            given += [*args[m], after[m]]
        given += [*args[n], mark]
    bound = f"{keys[0][0]} {'>=' if keys[0][1] == 'ASC' else '<='} ?"  # the index starts here; the rest is asked of each row
    return f"{bound} AND (({') OR ('.join(alternatives)}))", [*args[0], after[0], *given]
