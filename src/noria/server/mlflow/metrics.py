"""Histories of metrics: whole, of many runs, or thinned for a plot."""

from __future__ import annotations

from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.core.tracking import TrackedRun
from noria.ledger.tracking import points, runs
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Asked, missing
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking
from noria.server.mlflow.runs import run_id

_RUNS = 100
_THINNED = 2_500
_ANY = 2**31 - 1
"""Whatever a client asks of a page of history, it gets at most `points.PAGE` and a token."""


def history(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """A page of one metric of one run."""
    key, limit = asked.fields.text("metric_key", required=True), asked.fields.count("max_results", points.PAGE, most=_ANY)
    limit = min(limit, points.PAGE)
    run = runs.get(tracking.store, asked.project, run_id(asked))
    found, token = points.history_rows(tracking.store, run.row, key, limit=limit, after=asked.fields.text("page_token"))
    said: dict[str, Any] = {"metrics": forms.history(key, found)}
    return {**said, "next_page_token": token} if token else said


def bulk(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One metric of many runs, up to 25,000 points in all."""
    key, left = asked.fields.text("metric_key", required=True), asked.fields.count("max_results", points.PAGE, most=points.PAGE)
    said: list[dict[str, Any]] = []
    for run in sorted(_runs(tracking, asked, "run_id"), key=lambda run: run.id):
        found, _ = points.history(tracking.store, run.row, key, limit=max(1, left - len(said)))
        said += [{**forms.metric(point), "run_id": run.id} for point in found]
        if len(said) >= left:
            break
    return {"metrics": said[:left]}


def interval(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One metric of many runs between two steps, each thinned to `max_results` steps."""
    key = asked.fields.text("metric_key", required=True)
    first, last = asked.fields.integer("start_step"), asked.fields.integer("end_step")
    if (first is None) != (last is None):
        raise RequestInvalid("If either start step or end step are specified, both must be specified.")
    if first is not None and last is not None and first > last:
        raise RequestInvalid(f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.")
    most = asked.fields.count("max_results", _THINNED, most=_THINNED)
    found = _runs(tracking, asked, "run_ids")
    thinned = points.thinned(tracking.store, [run.row for run in found], key, first=first, last=last, most=most)
    return {"metrics": [{**forms.metric(point), "run_id": run.id} for run in found for point in thinned[run.row]]}


def _runs(tracking: Tracking, asked: Asked, name: str) -> list[TrackedRun]:
    ids = asked.fields.texts(name)
    if not ids:
        raise missing(name)
    if len(ids) > _RUNS:
        raise RequestInvalid(f"GetMetricHistoryBulk request cannot specify more than {_RUNS} {name}. Received {len(ids)}.")
    return [runs.get(tracking.store, asked.project, id) for id in dict.fromkeys(ids)]


ENDPOINTS = (
    Endpoint(method="GET", path=f"{V2}metrics/get-history", handler=history, right=Right.VIEW),
    Endpoint(method="GET", path=f"{V2}metrics/get-history-bulk-interval", handler=interval, right=Right.VIEW),
    Endpoint(method="GET", path=f"{V2}metrics/get-history-bulk", handler=bulk, right=Right.VIEW, ajax=True),
)
