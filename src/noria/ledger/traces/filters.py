"""What a filter of traces means to the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from noria.core.errors import RequestInvalid
from noria.ledger.searching.grammar import Clause, parse_filter
from noria.ledger.searching.targets import TRACES
from noria.ledger.traces import rules
from noria.ports.sql import Dialect

LINKED_PROMPTS = "mlflow.linkedPrompts"

ATTRIBUTES = {
    "timestamp_ms": "t.at_ms",
    "execution_time_ms": "t.took_ms",
    "end_time_ms": "(t.at_ms + t.took_ms)",
    "status": "t.state",
    "request_id": "t.id",
    "client_request_id": "t.client",
    "experiment_id": "t.experiment",
}
"""Attributes of a trace to columns of `noria_traces t`."""

_PAIRS = {"tag": "noria_trace_tags", "request_metadata": "noria_trace_metadata"}
_SPAN_COLUMNS = {"name": "s.name", "type": "s.type", "status": "s.status", "content": "s.body"}
_BEGINNING = 100
"""Characters of a text that its index has. The whole of it is asked for as `NOT text <> ?`: of `text = ?` SQLite puts the value
into the indexed expression too, which then is a constant, and reads all rows."""


@dataclass(frozen=True, slots=True)
class Test:
    """One condition on a trace `t`.

    Attributes:
        sql: The condition, asked of one trace after the other.
        listed: A SELECT of the rows of all traces that meet it, by an index; "" = there is none. It takes the same arguments.
    """

    sql: str
    args: tuple[Any, ...]
    listed: str = ""


def tests_of(text: str, dialect: Dialect) -> list[Test]:
    """The conditions of a filter; all of them must hold.

    Raises:
        RequestInvalid: it cannot be read, or names what traces have not.
    """
    clauses = parse_filter(text, TRACES)
    spans = [clause for clause in clauses if clause.kind == "span"]
    tests = [test_of(clause, dialect) for clause in clauses if clause.kind != "span"]
    return [*tests, _of_a_span(spans, dialect)] if spans else tests


def test_of(clause: Clause, dialect: Dialect) -> Test:
    """The condition of one clause that is not of a span."""
    match clause.kind:
        case "attribute":
            sql, args = compared(ATTRIBUTES[clause.key], clause, dialect)
            return Test(sql, args)
        case "tag" if clause.key == rules.NAME:
            return _of_the_name(clause, dialect)
        case "tag" if clause.key == LINKED_PROMPTS and clause.op == "=":
            return _of_a_prompt(clause, dialect)
        case "request_metadata" if clause.key == rules.SOURCE_RUN and clause.op in ("=", "IN"):
            return _of_a_run(clause)
        case "tag" | "request_metadata":
            return _of_a_pair(_PAIRS[clause.kind], clause, dialect)
        case "feedback" | "expectation":
            return _of_an_assessment(clause, dialect)
        case _:
            return _listed("SELECT a.trace FROM noria_assessments a WHERE a.kind = 'issue' AND a.name = ?", "a.trace", (clause.value,))


def compared(column: str, clause: Clause, dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
    """A comparison of a column that is there (or NULL, which meets nothing but IS NULL)."""
    match clause.op, clause.value:
        case (("IN" | "NOT IN"), tuple(values)):
            return f"{column} {clause.op} ({', '.join('?' * len(values))})", values
        case (("LIKE" | "ILIKE"), str(pattern)):
            sql, arg = dialect.like(column, pattern, case=clause.op == "LIKE")
            return sql, (arg,)
        case "RLIKE", pattern:
            return dialect.matches(column), (pattern,)
        case (("IS NULL" | "IS NOT NULL"), _):
            return f"{column} {clause.op}", ()
        case op, value:
            return f"{column} {'<>' if op == '!=' else op} ?", (value,)


def _listed(listed: str, trace: str, args: Sequence[Any]) -> Test:
    """A test whose SELECT of traces can also be asked of one trace."""
    return Test(f"EXISTS ({listed} AND {trace} = t.row)", tuple(args), listed)


def _of_the_name(clause: Clause, dialect: Dialect) -> Test:
    if clause.value is None:
        return Test("t.name = ''" if clause.op == "IS NULL" else "t.name <> ''", ())
    sql, args = compared("t.name", clause, dialect)
    return Test(f"t.name <> '' AND {sql}", args)


def _of_a_pair(table: str, clause: Clause, dialect: Dialect) -> Test:
    if clause.value is None:
        kind = "NOT EXISTS" if clause.op == "IS NULL" else "EXISTS"
        return Test(f"{kind} (SELECT 1 FROM {table} x WHERE x.trace = t.row AND x.key = ?)", (clause.key,))
    if clause.op == "=":
        value = str(clause.value)
        select = f"SELECT x.trace FROM {table} x WHERE x.key = ? AND substr(x.value, 1, {_BEGINNING}) = ? AND NOT x.value <> ?"
        return _listed(select, "x.trace", (clause.key, value[:_BEGINNING], value))
    sql, args = compared("x.value", clause, dialect)
    return Test(f"EXISTS (SELECT 1 FROM {table} x WHERE x.trace = t.row AND x.key = ? AND {sql})", (clause.key, *args))


def _of_a_run(clause: Clause) -> Test:
    """Traces that a run made, and those that were linked to it afterwards."""
    runs = clause.value if isinstance(clause.value, tuple) else (str(clause.value),)
    marks = ", ".join("?" * len(runs))
    select = f"""SELECT u.trace FROM (
        SELECT x.trace AS trace FROM noria_trace_metadata x WHERE x.key = ? AND substr(x.value, 1, {_BEGINNING}) IN ({marks})
        UNION ALL SELECT l.trace FROM noria_trace_links l WHERE l.kind = 'run' AND l.target IN ({marks})) u WHERE 1 = 1"""
    return _listed(select, "u.trace", (rules.SOURCE_RUN, *(run[:_BEGINNING] for run in runs), *runs))


def _of_a_prompt(clause: Clause, dialect: Dialect) -> Test:
    """Traces that were linked to a version of a prompt, or name it in their tag."""
    name, _, version = str(clause.value).rpartition("/")
    if not name or not version:
        raise RequestInvalid(f"Invalid prompt {str(clause.value)[:200]!r}", fix="write it as 'name/version'")
    said = orjson.dumps({"name": name, "version": version}).decode()[1:-1].replace('":"', '": "').replace('","', '", "')
    like, pattern = dialect.like("x.value", f"%{said}%", case=True)
    sql = f"""(EXISTS (SELECT 1 FROM noria_trace_links l WHERE l.trace = t.row AND l.kind = 'prompt' AND l.target = ?)
        OR EXISTS (SELECT 1 FROM noria_trace_tags x WHERE x.trace = t.row AND x.key = ? AND {like}))"""
    return Test(sql, (clause.value, LINKED_PROMPTS, pattern))


def _of_a_span(clauses: Sequence[Clause], dialect: Dialect) -> Test:
    """All that is said of spans must hold of one and the same."""
    parts: list[str] = []
    args: list[Any] = []
    indexed = False
    for clause in clauses:
        if clause.key.startswith("attributes."):
            sql, some = _of_an_attribute(clause.key.removeprefix("attributes."), clause, dialect)
        else:
            sql, some = compared(_SPAN_COLUMNS[clause.key], clause, dialect)
            if clause.op == "=" and clause.key == "name":
                sql, some = f"substr(s.name, 1, {_BEGINNING}) = ? AND NOT s.name <> ?", (str(clause.value)[:_BEGINNING], *some)
            indexed = indexed or (clause.op == "=" and clause.key in ("name", "type"))
        parts.append(sql)
        args += some
    test = _listed(f"SELECT s.trace FROM noria_spans s WHERE {' AND '.join(parts)}", "s.trace", args)
    return test if indexed else Test(test.sql, test.args)


def _of_an_attribute(name: str, clause: Clause, dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
    """A test of one attribute, by its text (JSON where it is none)."""
    if dialect.name == "sqlite":
        column, path = "CAST(json_extract(s.body, ?) AS TEXT)", f'$.attributes."{name}"'
        if '"' in name or "\\" in name:
            raise RequestInvalid(f"Invalid span attribute {name[:200]!r}", fix="attributes whose names have quotes cannot be searched")
    else:
        column, path = "(s.body::json -> 'attributes' ->> ?)", name
    sql, args = compared(column, clause, dialect)
    return sql, (path, *args)


def _of_an_assessment(clause: Clause, dialect: Dialect) -> Test:
    """Of those that still hold; a text is kept as JSON, in quotes."""
    start = f"""SELECT a.trace FROM noria_assessments a WHERE a.kind = ? AND substr(a.name, 1, {_BEGINNING}) = ? AND NOT a.name <> ?
        AND a.valid = 1"""
    args = (clause.kind, clause.key[:_BEGINNING], clause.key)
    if clause.value is None:
        test = _listed(start, "a.trace", args)
        return Test(f"NOT {test.sql}", test.args) if clause.op == "IS NULL" else test
    if clause.op in (">", ">=", "<", "<="):
        return _listed(f"{start} AND a.number {clause.op} ?", "a.trace", (*args, clause.value))
    quoted = orjson.dumps(clause.value).decode()
    if clause.op in ("=", "!="):
        return _listed(f"{start} AND a.value {'NOT ' if clause.op == '!=' else ''}IN (?, ?)", "a.trace", (*args, clause.value, quoted))
    bare, some = compared("a.value", clause, dialect)
    if clause.op == "RLIKE":
        return _listed(f"{start} AND {bare}", "a.trace", (*args, *some))
    within, more = compared("a.value", Clause(clause.kind, clause.key, clause.op, f'"{clause.value}"'), dialect)
    return _listed(f"{start} AND ({bare} OR {within})", "a.trace", (*args, *some, *more))
