"""What a training loop sends all the time: points, parameters and tags, one by one or in batches. The hot path."""

from __future__ import annotations

from collections.abc import Sequence

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.core.tracking import Point
from noria.ledger.tracking import logged_models, points, runs
from noria.ledger.tracking.rules import BATCH_ALL, BATCH_METRICS, BATCH_PARAMS, BATCH_TAGS
from noria.ports.sql import Tx, Work
from noria.server.mlflow.asked import Asked, Fields, missing
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking
from noria.server.mlflow.runs import run_id

_MOST = 2**63 - 1
"""Of a whole number that a database keeps."""


def log_metric(tracking: Tracking, asked: Asked) -> Work[None]:
    """One point."""
    id, point, project = run_id(asked), point_of(asked.fields), asked.project
    if asked.fields.values.get("model_id"):
        measured = (_measured(asked.fields, point),)
        return lambda tx: _log_measured(tx, runs.open_row(tx, project, id), (point,), measured)
    return lambda tx: points.log(tx, runs.open_row(tx, project, id), (point,))


def log_parameter(tracking: Tracking, asked: Asked) -> Work[None]:
    """One parameter."""
    id, key, value = run_id(asked), asked.fields.text("key", required=True), asked.fields.text("value")
    return lambda tx: runs.log_params(tx, runs.open_row(tx, asked.project, id), id, ((key, value),))


def set_tag(tracking: Tracking, asked: Asked) -> Work[None]:
    """One tag."""
    id, key, value = run_id(asked), asked.fields.text("key", required=True), asked.fields.text("value")
    return lambda tx: runs.set_tags(tx, runs.open_row(tx, asked.project, id), ((key, value),))


def log_batch(tracking: Tracking, asked: Asked) -> Work[None]:
    """Parameters, then points, then tags; all or none."""
    id = run_id(asked)
    logged = points_of(asked.fields)
    measured = [
        _measured(Fields(one), point)
        for one, point in zip(asked.fields.values.get("metrics") or (), logged, strict=True)
        if one.get("model_id")
    ]
    params, tags = asked.fields.pairs("params"), asked.fields.pairs("tags")
    _check_sizes(len(logged), len(params), len(tags))
    _check_distinct(params)

    def work(tx: Tx) -> None:
        row = runs.open_row(tx, asked.project, id)
        runs.log_params(tx, row, id, params)
        if logged:
            _log_measured(tx, row, logged, measured)
        runs.set_tags(tx, row, tags)

    return work


def points_of(fields: Fields) -> list[Point]:
    """The points of a batch: those in their usual form at once, the others with what is wrong about them.

    Raises:
        RequestInvalid: a part is missing or of another type.
    """
    given, usual = fields.values.get("metrics"), []
    for one in given if type(given) is list else ():
        if type(one) is not dict:
            break
        key, value, at_ms, step = one.get("key"), one.get("value"), one.get("timestamp"), one.get("step")
        if (
            not (type(value) is float and type(at_ms) is int and type(step) is int and type(key) is str and key)
            or not 0 <= at_ms <= _MOST >= step
        ):
            break
        usual.append(Point(key, value, step, at_ms))
    else:
        if usual:
            return usual
    return [point_of(one) for one in fields.items("metrics")]


def point_of(fields: Fields) -> Point:
    """One point.

    Raises:
        RequestInvalid: a part is missing or of another type.
    """
    values = fields.values
    key, value, at_ms, step = values.get("key"), values.get("value"), values.get("timestamp"), values.get("step", 0)
    if type(key) is str and key and type(value) is float and type(at_ms) is int and type(step) is int and 0 <= at_ms <= _MOST >= step:
        return Point(key, value, step, at_ms)
    key, number = fields.text("key", required=True), fields.number("value")
    whole = fields.integer("timestamp")
    if whole is None:
        raise missing(f"{fields.path}timestamp")
    if whole < 0:
        raise RequestInvalid(
            f"Invalid value {whole} for parameter '{fields.path}timestamp' supplied: metric '{key}' (value={number}). "
            "Timestamp must be a nonnegative long (64-bit integer)"
        )
    return Point(key, number, fields.integer("step", 0) or 0, whole)


def _measured(fields: Fields, point: Point) -> tuple[str, Point, str, str]:
    """A point with the logged model that it was measured on, and on which dataset."""
    return fields.text("model_id"), point, fields.text("dataset_name"), fields.text("dataset_digest")


def _log_measured(tx: Tx, row: int, logged: Sequence[Point], measured: Sequence[tuple[str, Point, str, str]]) -> None:
    points.log(tx, row, logged)
    if measured:
        logged_models.measure(tx, row, measured)


def _check_sizes(metrics: int, params: int, tags: int) -> None:
    limits = (("metrics", metrics, BATCH_METRICS), ("params", params, BATCH_PARAMS), ("tags", tags, BATCH_TAGS))
    for what, number, most in limits:
        if number > most:
            raise RequestInvalid(f"A batch logging request can contain at most {most} {what}. Got {number} {what}. Please split up {what}.")
    if metrics + params + tags > BATCH_ALL:
        raise RequestInvalid(
            f"A batch logging request can contain at most {BATCH_ALL} metrics, params and tags. Got {metrics + params + tags}."
        )


def _check_distinct(params: Sequence[tuple[str, str]]) -> None:
    keys = [key for key, _ in params]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise RequestInvalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains only one value per param key."
        )


ENDPOINTS = (
    Endpoint(method="POST", path=f"{V2}runs/log-metric", handler=log_metric, right=Right.CONTRIBUTE, hot=True),
    Endpoint(method="POST", path=f"{V2}runs/log-parameter", handler=log_parameter, right=Right.CONTRIBUTE, hot=True),
    Endpoint(method="POST", path=f"{V2}runs/set-tag", handler=set_tag, right=Right.CONTRIBUTE, hot=True),
    Endpoint(method="POST", path=f"{V2}runs/log-batch", handler=log_batch, right=Right.CONTRIBUTE, hot=True),
)
