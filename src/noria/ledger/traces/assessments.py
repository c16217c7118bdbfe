"""What people, judges and programs say of a trace: feedback, expectations, issues; changed, overridden, deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.traces import rules
from noria.ledger.traces.changing import row_of
from noria.ports.sql import Row, Sql, Tx

FEEDBACK, EXPECTATION, ISSUE = "feedback", "expectation", "issue"
SOURCES = ("HUMAN", "LLM_JUDGE", "AI_JUDGE", "CODE", "SOURCE_TYPE_UNSPECIFIED")

_COLUMNS = "id, trace, kind, name, value, valid, overrides, created_ms, updated_ms, body"
_INSERT = f"INSERT INTO noria_assessments ({_COLUMNS}, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One thing that was said of a trace, or of one of its spans.

    Attributes:
        kind: feedback, expectation or issue.
        value: Any JSON; of an issue, its name.
        error: Why there is no feedback, by MLflow's names; None where there is none.
        serialized: Whether an expectation came as JSON in a text, as it goes back.
        span: Id of the span that is meant; "" = the whole trace.
        overrides: Id of the assessment that this one takes the place of; "" = none.
        valid: False once another took its place.
    """

    id: str
    trace: str
    kind: str
    name: str
    value: Any
    source_type: str
    source_id: str
    created_ms: int
    updated_ms: int
    error: Mapping[str, Any] | None = None
    serialized: bool = False
    span: str = ""
    rationale: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    overrides: str = ""
    valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an update says; None leaves a field as it is, `metadata` is merged."""

    name: str | None = None
    kind: str | None = None
    value: Any = None
    error: Mapping[str, Any] | None = None
    serialized: bool = False
    rationale: str | None = None
    metadata: Mapping[str, str] | None = None
    valid: bool | None = None


def create(tx: Tx, project: str, made: Assessment) -> None:
    """Keep an assessment; the one that it overrides is valid no more.

    Raises:
        NotFound: there is no such trace, or no such assessment to override.
        RequestInvalid: one of that id is there.
    """
    put(tx, row_of(tx, project, made.trace), made)


def put(tx: Tx, row: int, made: Assessment) -> None:
    """As `create`, for a trace whose row is known."""
    if made.overrides:
        over = "UPDATE noria_assessments SET valid = 0 WHERE trace = ? AND id = ? RETURNING id"
        if not tx.run(over, (row, made.overrides)):
            raise NotFound(f"Assessment with ID '{made.overrides[:200]}' not found for trace '{made.trace}'")
    found = tx.run("SELECT trace FROM noria_assessments WHERE id = ?", (made.id,))
    if found and found[0][0] != row:
        raise RequestInvalid(f"Assessment with ID '{made.id[:200]}' belongs to another trace")
    tx.run("DELETE FROM noria_assessments WHERE id = ?", (made.id,))
    tx.run(_INSERT, _columns(row, made))


def get(sql: Sql, project: str, trace: str, id: str) -> Assessment:
    """One assessment.

    Raises:
        NotFound: there is no such trace, or it has no such assessment.
    """
    query = """SELECT t.row FROM noria_traces t JOIN noria_experiments e ON e.id = t.experiment
        WHERE t.id = ? AND e.project = ?"""
    known = sql.read(query, (trace, project))
    if not known:
        raise NotFound(f"Trace with request_id '{trace[:200]}' not found")
    rows = sql.read(f"SELECT {_COLUMNS} FROM noria_assessments WHERE id = ? AND trace = ?", (id, known[0][0]))
    return _one(rows, trace, id)


def update(tx: Tx, project: str, trace: str, id: str, change: Change, *, now_ms: int) -> Assessment:
    """Change an assessment and return it as it is now.

    Raises:
        NotFound: there is no such trace, or it has no such assessment.
        RequestInvalid: feedback would become an expectation, or the other way.
    """
    row = row_of(tx, project, trace)
    before = _one(tx.run(f"SELECT {_COLUMNS} FROM noria_assessments WHERE id = ? AND trace = ?", (id, row)), trace, id)
    after = _changed(before, change, now_ms)
    tx.run("DELETE FROM noria_assessments WHERE id = ?", (id,))
    tx.run(_INSERT, _columns(row, after))
    return after


def delete(tx: Tx, project: str, trace: str, id: str) -> None:
    """Delete an assessment, if it is there; the one that it took the place of is valid again.

    Raises:
        NotFound: there is no such trace.
    """
    row = row_of(tx, project, trace)
    for (over,) in tx.run("DELETE FROM noria_assessments WHERE id = ? AND trace = ? RETURNING overrides", (id, row)):
        if over:
            tx.run("UPDATE noria_assessments SET valid = 1 WHERE id = ? AND trace = ?", (over, row))


def of_traces(sql: Sql, traces: Mapping[int, str]) -> Mapping[int, Sequence[Assessment]]:
    """Assessments of traces (row to id), by row, in the order in which they were made."""
    found: defaultdict[int, list[Assessment]] = defaultdict(list)
    rows = list(traces)
    for at in range(0, len(rows), 500):
        part = rows[at : at + 500]
        query = f"SELECT {_COLUMNS} FROM noria_assessments WHERE trace IN ({', '.join('?' * len(part))}) ORDER BY trace, created_ms, id"
        for row in sql.read(query, part):
            found[row[1]].append(_read(row, traces[row[1]]))
    return found


def _changed(before: Assessment, change: Change, now_ms: int) -> Assessment:
    if change.kind is not None and change.kind != before.kind:
        raise RequestInvalid(f"Cannot update {change.kind} value on {'an' if before.kind[0] in 'aei' else 'a'} {before.kind} assessment.")
    after = before
    if change.kind is not None:
        after = replace(after, value=change.value, error=change.error, serialized=change.serialized)
    return replace(
        after,
        name=before.name if change.name is None else change.name,
        rationale=before.rationale if change.rationale is None else change.rationale,
        metadata={**before.metadata, **(change.metadata or {})},
        valid=before.valid if change.valid is None else change.valid,
        updated_ms=now_ms,
    )


def _one(rows: Sequence[Row], trace: str, id: str) -> Assessment:
    if not rows:
        raise NotFound(f"Assessment with ID '{id[:200]}' not found for trace '{trace[:200]}'")
    return _read(rows[0], trace)


def _columns(row: int, made: Assessment) -> tuple[Any, ...]:
    body = {
        "source_type": made.source_type,
        "source_id": rules.clean(made.source_id),
        "span": made.span,
        "serialized": made.serialized,
        "error": made.error,
        "rationale": made.rationale,
        "metadata": made.metadata,
    }
    number = float(made.value) if isinstance(made.value, int | float) and not isinstance(made.value, bool) else None
    told = orjson.dumps(made.value).decode()
    stored = orjson.dumps(body).decode()
    return (
        made.id,
        row,
        made.kind,
        made.name,
        told,
        int(made.valid),
        made.overrides,
        made.created_ms,
        made.updated_ms,
        stored,
        number,
    )


def _read(row: Row, trace: str) -> Assessment:
    id, _, kind, name, value, valid, overrides, created_ms, updated_ms, body = row
    return Assessment(
        id=id,
        trace=trace,
        kind=kind,
        name=name,
        value=orjson.loads(value),
        valid=bool(valid),
        overrides=overrides,
        created_ms=created_ms,
        updated_ms=updated_ms,
        **orjson.loads(body),
    )
