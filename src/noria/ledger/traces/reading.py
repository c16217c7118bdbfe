"""Reads traces: their accounts with tags, metadata and assessments, and their spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import orjson

from noria.core.errors import NotFound
from noria.ledger.traces import rules
from noria.ledger.traces.assessments import Assessment, of_traces
from noria.ledger.traces.spans import Span, SpanEvent, SpanLink
from noria.ports.sql import Row, Sql

COLUMNS = """t.row, t.id, t.experiment, t.at_ms, t.took_ms, t.state, t.name, t.client, t.request, t.response, t.told, t.kept,
    (SELECT x.artifacts FROM noria_experiments x WHERE x.id = t.experiment)"""
"""Of `noria_traces t`, for `with_details`."""

ASKED_AT_ONCE = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a list of traces shows of one.

    Attributes:
        row: Its number in the tables.
        at_ms: When it began, milliseconds since 1970.
        took_ms: None while it runs.
        told: Whether its own account came; until then it is told from its spans.
    """

    row: int
    id: str
    experiment: int
    at_ms: int
    took_ms: int | None
    state: str
    name: str
    client: str
    request: str | None
    response: str | None
    told: bool
    tags: Mapping[str, str]
    metadata: Mapping[str, str]
    assessments: Sequence[Assessment]

    @property
    def promised(self) -> int | None:
        """How many spans its account says that it has; None where it doesn't."""
        try:
            said = orjson.loads(self.metadata.get(rules.SIZES, "{}")).get("num_spans")
        except (orjson.JSONDecodeError, AttributeError):
            return None
        return said if isinstance(said, int) else None


def get(sql: Sql, project: str, id: str) -> Trace:
    """One trace.

    Raises:
        NotFound: the project has no such trace.
    """
    found = some(sql, project, [id])
    if not found:
        raise NotFound(f"Trace with ID '{id[:200]}' not found.")
    return found[0]


def some(sql: Sql, project: str, ids: Sequence[str], *, experiments: Sequence[int] | None = None) -> list[Trace]:
    """Those of the traces that are there, in the order asked; with `experiments`, only of these."""
    wanted = list(dict.fromkeys(ids))
    rows: list[Row] = []
    for part in _parts(wanted):
        query = f"""SELECT {COLUMNS} FROM noria_traces t JOIN noria_experiments e ON e.id = t.experiment
            WHERE e.project = ? AND t.id IN ({", ".join("?" * len(part))})"""
        rows += sql.read(query, (project, *part))
    if experiments is not None:
        allowed = set(experiments)
        rows = [row for row in rows if row[2] in allowed]
    place = {id: n for n, id in enumerate(wanted)}
    return with_details(sql, sorted(rows, key=lambda row: place[row[1]]))


def with_details(sql: Sql, rows: Sequence[Row]) -> list[Trace]:
    """Rows of `COLUMNS` as traces, in the rows' order."""
    numbers = [row[0] for row in rows]
    tags, metadata = _pairs(sql, "noria_trace_tags", numbers), _pairs(sql, "noria_trace_metadata", numbers)
    said = of_traces(sql, {row[0]: row[1] for row in rows})
    return [_trace(row, tags[row[0]], metadata[row[0]], said.get(row[0], ())) for row in rows]


def spans(sql: Sql, traces: Sequence[Trace]) -> dict[int, list[Span]]:
    """The spans of traces by the traces' rows, each list by their start."""
    ids = {trace.row: trace.id for trace in traces}
    found: dict[int, list[Span]] = {row: [] for row in ids}
    for part in _parts(list(ids)):
        query = f"""SELECT trace, id, parent, name, status, start_ns, end_ns, body FROM noria_spans
            WHERE trace IN ({", ".join("?" * len(part))}) ORDER BY trace, start_ns, id"""
        for trace, id, parent, name, status, start_ns, end_ns, body in sql.read(query, part):
            said = orjson.loads(body)
            found[trace].append(
                Span(
                    ids[trace],
                    id,
                    parent,
                    name,
                    start_ns,
                    end_ns,
                    status,
                    said.get("message", ""),
                    said.get("kind", 0),
                    said["attributes"],
                    [SpanEvent(*event) for event in said.get("events", ())],
                    [SpanLink(*link) for link in said.get("links", ())],
                )
            )
    return found


def whole(trace: Trace, found: Sequence[Span]) -> bool:
    """Whether all spans of a trace have come, as far as it says how many there are; at least one has."""
    promised = trace.promised
    return bool(found) and (promised is None or len(found) >= promised)


def _trace(row: Row, tags: dict[str, str], metadata: dict[str, str], said: Sequence[Assessment]) -> Trace:
    number, id, experiment, at_ms, took_ms, state, name, client, request, response, told, kept, artifacts = row
    if name:
        tags[rules.NAME] = name
    tags[rules.ARTIFACTS] = f"{artifacts}/traces/{id}/artifacts"
    if kept:
        tags[rules.SPANS_LOCATION] = rules.IN_HERE
    return Trace(
        row=number,
        id=id,
        experiment=experiment,
        at_ms=at_ms,
        took_ms=took_ms,
        state=state,
        name=name,
        client=client,
        request=request,
        response=response,
        told=bool(told),
        tags=tags,
        metadata=metadata,
        assessments=said,
    )


def _pairs(sql: Sql, table: str, rows: Sequence[int]) -> defaultdict[int, dict[str, str]]:
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for part in _parts(rows):
        marks = ", ".join("?" * len(part))
        for trace, key, value in sql.read(f"SELECT trace, key, value FROM {table} WHERE trace IN ({marks})", part):
            found[trace][key] = value
    return found


def _parts(wanted: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(wanted), ASKED_AT_ONCE):
        yield wanted[at : at + ASKED_AT_ONCE]
