"""Numbers of many traces: counts, latencies, tokens, costs and marks, by dimension and by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from noria.core.errors import RequestInvalid
from noria.ledger.searching.grammar import Clause
from noria.ledger.searching.syntax import clauses_of
from noria.ledger.searching.words import unquoted
from noria.ledger.traces import rules
from noria.ledger.traces.filters import Test, test_of
from noria.ledger.traces.searching import within
from noria.ports.sql import Row, Sql

COUNT, SUM, AVG, MIN, MAX, PERCENTILE = "COUNT", "SUM", "AVG", "MIN", "MAX", "PERCENTILE"
_SPREAD = frozenset((AVG, MIN, MAX, PERCENTILE))
_ALL = _SPREAD | {SUM}
_LIMIT = (1 << 63) - 1

_NAME, _STATE = ("trace_name", "NULLIF(t.name, '')"), ("trace_status", "t.state")
_MODEL, _PROVIDER = ("span_model_name", "NULLIF(s.model, '')"), ("span_model_provider", "NULLIF(s.provider, '')")
_SPAN = (("span_name", "s.name"), ("span_status", "s.status"))
_SAID = ("assessment_name", "a.name")
_MARK = """CASE WHEN a.value IN ('true', '"yes"') THEN 1.0 WHEN a.value IN ('false', '"no"') THEN 0.0 ELSE a.number END"""
_SESSION = f"(SELECT x.value FROM noria_trace_metadata x WHERE x.trace = t.row AND x.key = '{rules.SESSION}')"


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that can be measured: its column, how it may be summed up, and by what it may be parted."""

    column: str
    ways: frozenset[str]
    parted: Mapping[str, str]


_BY_NAME = dict([_NAME])
_COSTS = dict([_MODEL, _PROVIDER])
MEASURES: Mapping[str, Mapping[str, Measure]] = {
    "TRACES": {
        "trace_count": Measure("t.row", frozenset((COUNT,)), dict([_NAME, _STATE])),
        "session_count": Measure(f"DISTINCT {_SESSION}", frozenset((COUNT,)), {}),
        "latency": Measure("t.took_ms", _SPREAD, _BY_NAME),
        **{
            f"{kind}tokens": Measure(f"t.{kind}tokens", _ALL, _BY_NAME)
            for kind in ("input_", "output_", "total_", "cache_read_input_", "cache_creation_input_")
        },
    },
    "SPANS": {
        "span_count": Measure("s.id", frozenset((COUNT,)), dict([*_SPAN, ("span_type", "s.type"), _MODEL, _PROVIDER])),
        "latency": Measure("(CASE WHEN s.end_ns > 0 THEN (s.end_ns - s.start_ns) / 1000000.0 END)", _SPREAD, dict(_SPAN)),
        **{f"{kind}_cost": Measure(f"s.{kind}_cost", _ALL, _COSTS) for kind in ("input", "output", "total")},
    },
    "ASSESSMENTS": {
        "assessment_count": Measure("a.id", frozenset((COUNT,)), dict([_SAID, ("assessment_value", "a.value")])),
        "assessment_value": Measure(_MARK, _SPREAD, dict([_SAID])),
    },
}
"""View to metric to how it is measured."""

_TABLES = {
    "TRACES": "noria_traces t",
    "SPANS": "noria_spans s JOIN noria_traces t ON t.row = s.trace",
    "ASSESSMENTS": "noria_assessments a JOIN noria_traces t ON t.row = a.trace",
}
_FILTERED = {
    ("span", "name"): "s.name",
    ("span", "status"): "s.status",
    ("span", "type"): "s.type",
    ("assessment", "name"): "a.name",
    ("assessment", "type"): "a.kind",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What shall be measured.

    Attributes:
        ways: How to sum it up, each with a percentile (0 to 100) or None.
        every_s: Length of a bucket of time; None = all time together.
    """

    view: str
    metric: str
    ways: Sequence[tuple[str, float | None]]
    dimensions: Sequence[str] = ()
    filters: Sequence[str] = ()
    every_s: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class Point:
    """One measured number, or several of the same rows."""

    dimensions: Mapping[str, str]
    values: Mapping[str, float]


def measure(sql: Sql, project: str, experiments: Sequence[int], asked: Asked) -> list[Point]:
    """Numbers of a project's experiments, by time and dimensions.

    Raises:
        RequestInvalid: there is no such view, metric, dimension or filter, or it cannot be summed up so.
    """
    found = _measure(asked)
    known = within(sql, project, experiments)
    if not known:
        return []
    names, columns = _columns(asked, found)
    where, args = _where(sql, asked, known, found)
    query = f"FROM {_TABLES[asked.view]} WHERE {where}"
    grouped = f" GROUP BY {', '.join(columns)} ORDER BY {', '.join(columns)}" if columns else ""
    plain = [(way, None) for way, percentile in asked.ways if percentile is None]
    shown = [*columns, *(f"{way}({found.column})" for way, _ in plain)] or ["1"]
    rows = sql.read(f"SELECT {', '.join(shown)} {query}{grouped} LIMIT ?", [*args, asked.limit])
    values = {row[: len(columns)]: {way: number for (way, _), number in zip(plain, row[len(columns) :], strict=False)} for row in rows}
    percentiles = [percentile for _, percentile in asked.ways if percentile is not None]
    if percentiles:
        order = ", ".join([*columns, found.column])
        listed = sql.read(f"SELECT {', '.join([*columns, found.column])} {query} ORDER BY {order}", args)
        _add_percentiles(values, listed, percentiles)
    return [_point(names, key, said) for key, said in values.items() if None not in key and any(v is not None for v in said.values())]


def quantile(ordered: Sequence[float], percent: float) -> float:
    """A percentile by linear interpolation between neighbours (Hyndman and Fan 1996, type 7).

    >>> quantile([1.0, 2.0, 4.0], 75)
    3.0
    """
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _measure(asked: Asked) -> Measure:
    if asked.view not in MEASURES:
        raise RequestInvalid(f"view_type must be one of {list(MEASURES)}, got '{asked.view[:100]}'")
    if asked.metric not in MEASURES[asked.view]:
        raise RequestInvalid(f"metric_name must be one of {list(MEASURES[asked.view])}, got '{asked.metric[:100]}'")
    found = MEASURES[asked.view][asked.metric]
    wrong = sorted({way for way, _ in asked.ways} - found.ways)
    if wrong:
        raise RequestInvalid(f"Found invalid aggregation_type(s): {wrong}. Supported aggregation types: {sorted(found.ways)}")
    unknown = sorted(set(asked.dimensions) - set(found.parted))
    if unknown:
        raise RequestInvalid(f"Found invalid dimension(s): {unknown}. Supported dimensions: {sorted(found.parted)}")
    if asked.every_s is not None and (asked.start_ms is None or asked.end_ms is None):
        raise RequestInvalid("start_time_ms and end_time_ms are required if time_interval_seconds is set")
    return found


def _columns(asked: Asked, found: Measure) -> tuple[list[str], list[str]]:
    names, columns = list(dict.fromkeys(asked.dimensions)), [found.parted[name] for name in dict.fromkeys(asked.dimensions)]
    if asked.every_s is None:
        return names, columns
    moment = "s.start_ns / 1000000" if asked.view == "SPANS" else "t.at_ms"
    size = asked.every_s * 1_000
    return ["time_bucket", *names], [f"(({moment}) / {size}) * {size}", *columns]


def _where(sql: Sql, asked: Asked, experiments: Sequence[int], found: Measure) -> tuple[str, list[Any]]:
    parts, args = [f"t.experiment IN ({', '.join('?' * len(experiments))})"], [*experiments]
    for sign, bound in ((">=", asked.start_ms), ("<=", asked.end_ms)):
        if bound is not None:
            parts.append(f"t.at_ms {sign} ?")
            args.append(max(-_LIMIT, min(bound, _LIMIT)))
    for text in asked.filters:
        test = _filter(sql, text, asked.view)
        parts.append(f"({test.sql})")
        args += test.args
    if not found.column.startswith("DISTINCT"):
        parts.append(f"{found.column} IS NOT NULL")
    return " AND ".join(parts), args


def _filter(sql: Sql, text: str, view: str) -> Test:
    """A filter such as `trace.status = 'OK'`, `trace.tag.team = 'a'`, `span.type = 'LLM'`, `assessment.name = 'correct'`."""
    said = clauses_of(text)
    if len(said) != 1 or said[0].operator != "=" or said[0].value is None or isinstance(said[0].value, tuple):
        raise RequestInvalid(f"Invalid filter: '{text[:500]}'. Expected one filter clause, with '='.")
    name, value = said[0].name, unquoted(said[0].value.said)
    if said[0].value.kind != "text":
        raise RequestInvalid(f"Expected a quoted string value (e.g. 'my-value'). Got value {said[0].value.said[:500]}")
    if (name.entity or "", name.key) in _FILTERED:
        if view != f"{(name.entity or '').upper()}S":
            raise RequestInvalid(f"Filtering by {name.entity} is not supported for the {view} view type")
        return Test(f"{_FILTERED[name.entity or '', name.key]} = ?", (value,))
    kind, _, key = name.key.partition(".")
    if name.entity == "trace" and name.key == "status":
        return Test("t.state = ?", (value,))
    if name.entity == "trace" and kind in ("tag", "metadata") and key:
        clause = Clause("tag" if kind == "tag" else "request_metadata", unquoted(key), "=", value)
        return test_of(clause, sql.dialect)
    raise RequestInvalid(
        f"Invalid identifier '{name.said[:500]}'. Columns should be specified as 'trace.<key>', 'span.<key>', 'assessment.<key>'."
    )


def _add_percentiles(values: Mapping[tuple[Any, ...], dict[str, Any]], rows: Sequence[Row], percentiles: Sequence[float]) -> None:
    by_key: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        by_key.setdefault(tuple(row[:-1]), []).append(float(row[-1]))
    for key, said in values.items():
        ordered = by_key.get(key)
        if ordered:
            said.update({f"P{percent}": quantile(ordered, percent) for percent in percentiles})


def _point(names: Sequence[str], key: Sequence[Any], said: Mapping[str, Any]) -> Point:
    dimensions = {name: str(value) for name, value in zip(names, key, strict=True)}
    if "time_bucket" in dimensions:
        dimensions["time_bucket"] = datetime.fromtimestamp(key[0] / 1_000, tz=UTC).isoformat()
    return Point(dimensions, {way: float(number) for way, number in said.items() if number is not None})
