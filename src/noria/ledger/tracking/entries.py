"""What our own client spooled, taken in entry by entry: the same again changes nothing, so it may be sent twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from noria.core.errors import NoriaError, RequestInvalid
from noria.core.tracking import Point, RunStatus
from noria.ledger.tracking import experiments, points, runs
from noria.ports.sql import Tx

PARENT = "mlflow.parentRunId"
_LEAVES = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)

Refusals = dict[int, str]
"""Place of an entry in its batch to why it was not taken."""


def take(tx: Tx, project: str, run: str, entries: Sequence[Any]) -> Refusals:
    """Take in one run's entries in their order, see `noria.client.entries`; what cannot be taken is left out and told."""
    refused: Refusals = {}
    row: int | None = None
    at = 0
    while at < len(entries):
        try:
            row = row if row is not None or _is(entries[at], "start") else runs.open_row(tx, project, run)
            if row is not None and _is(entries[at], "log"):
                at = _take_points(tx, row, entries, at, refused)
                continue
            _take_one(tx, project, run, row, _checked(entries[at]))
        except NoriaError as error:
            refused[at] = error.message
        at += 1
    return refused


def _take_points(tx: Tx, row: int, entries: Sequence[Any], at: int, refused: Refusals) -> int:
    """Log all points up to the next entry of another kind, together if they are all right; returns its place."""
    end = at
    while end < len(entries) and _is(entries[end], "log"):
        end += 1
    try:
        points.log(tx, row, [point for entry in entries[at:end] for point in _points(entry)])
    except NoriaError:
        for place in range(at, end):
            try:
                points.log(tx, row, _points(entries[place]))
            except NoriaError as error:
                refused[place] = error.message
    return end


def _take_one(tx: Tx, project: str, run: str, row: int | None, entry: Mapping[str, Any]) -> None:
    at_ms = entry["at"]
    if _is(entry, "start"):
        _start(tx, project, run, _object(entry["start"]), at_ms)
    elif "params" in entry and row is not None:
        runs.log_params(tx, row, run, _texts(entry["params"]))
    elif "tags" in entry and row is not None:
        runs.set_tags(tx, row, _texts(entry["tags"]))
    elif "end" in entry:
        if entry["end"] not in _LEAVES:
            raise RequestInvalid(f"a run ends as one of {', '.join(_LEAVES)}, not {str(entry['end'])[:100]!r}")
        runs.update(tx, project, run, status=RunStatus(entry["end"]), end_ms=at_ms)
    elif "died" in entry:
        runs.update(tx, project, run, status=RunStatus.KILLED, end_ms=at_ms, only_open=True)
    else:
        raise RequestInvalid(f"an entry says none of start, log, params, tags, end, died: {', '.join(map(str, entry))[:200]}")


def _start(tx: Tx, project: str, run: str, start: Mapping[str, Any], at_ms: int) -> None:
    if start.get("resume"):
        row = runs.open_row(tx, project, run)
        tx.run("UPDATE noria_runs SET status = ?, end_ms = NULL WHERE row = ?", (RunStatus.RUNNING, row))
        return
    experiment = _experiment(tx, project, str(start.get("experiment") or experiments.DEFAULT), at_ms)
    parent = str(start.get("parent") or "")
    tags = [(PARENT, parent)] if parent else []
    runs.create(tx, project, experiment, start_ms=at_ms, name=str(start.get("name") or ""), tags=tags, id=run)
    runs.open_row(tx, project, run)


def _experiment(tx: Tx, project: str, name: str, at_ms: int) -> int:
    found = tx.run("SELECT id FROM noria_experiments WHERE project = ? AND name = ?", (project, name))
    return int(found[0][0]) if found else experiments.create(tx, project, name, now_ms=at_ms)


def _points(entry: Any) -> list[Point]:
    at_ms, step, values = entry.get("at"), entry.get("step", 0), entry.get("log")
    if type(at_ms) is not int or type(step) is not int or not isinstance(values, dict):
        raise RequestInvalid('points are {"at": MS, "log": {METRIC: VALUE}, "step": N}')
    try:
        return [Point(key, float(value), step, at_ms) for key, value in values.items()]
    except (TypeError, ValueError):
        raise RequestInvalid("the value of a metric is a number, or 'NaN', 'Infinity', '-Infinity'") from None


def _checked(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, dict) or type(entry.get("at")) is not int:
        raise RequestInvalid('an entry is an object with "at", in milliseconds since 1970')
    return entry


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RequestInvalid("what is told of a run is no object")
    return value


def _texts(values: Any) -> list[tuple[str, str]]:
    return [(str(key), value if isinstance(value, str) else str(value)) for key, value in _object(values).items()]


def _is(entry: Any, kind: str) -> bool:
    return isinstance(entry, dict) and kind in entry
