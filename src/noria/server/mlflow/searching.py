"""Searches of the protocol: runs and experiments, and the datasets that runs took in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.core.tracking import Stage, TrackedRun
from noria.ledger.searching.pages import page_size
from noria.ledger.tracking import contents, experiments_found, finding, inputs
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking

USUAL, MOST = 1_000, 50_000
_STAGES = {
    "": frozenset({Stage.ACTIVE}),
    "ACTIVE_ONLY": frozenset({Stage.ACTIVE}),
    "DELETED_ONLY": frozenset({Stage.DELETED}),
    "ALL": frozenset(Stage),
    "1": frozenset({Stage.ACTIVE}),
    "2": frozenset({Stage.DELETED}),
    "3": frozenset(Stage),
}
"""View type, by name or number."""


def search_runs(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """A page of runs with their latest metrics, parameters, tags, inputs and outputs."""
    fields = asked.fields
    wanted = finding.Wanted(
        experiments=experiment_ids(asked),
        stages=stages(asked, "run_view_type"),
        filter=fields.text("filter"),
        order=fields.texts("order_by"),
        limit=page_size(fields.integer("max_results"), usual=USUAL, most=MOST),
        after=fields.text("page_token"),
    )
    found, token = finding.find(tracking.store, asked.project, wanted)
    return paged({"runs": runs_said(tracking, found)}, token)


def runs_said(tracking: Tracking, found: Sequence[TrackedRun]) -> list[dict[str, Any]]:
    """Runs with all that they hold, in a fixed number of queries."""
    store, rows = tracking.store, [run.row for run in found]
    params, tags, metrics = contents.params_of(store, rows), contents.tags_of(store, rows), contents.metrics_of(store, rows)
    flows = inputs.flows(store, rows)
    said = []
    for run in found:
        taken, made = forms.flow(flows.get(run.row))
        data = forms.data(params[run.row], tags[run.row], metrics[run.row])
        said.append({"info": forms.run_info(run), "data": data, "inputs": taken, **({"outputs": made} if made else {})})
    return said


def search_experiments(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """A page of experiments."""
    fields = asked.fields
    found, token = experiments_found.find(
        tracking.store,
        asked.project,
        stages=stages(asked, "view_type"),
        filter=fields.text("filter"),
        order=fields.texts("order_by"),
        limit=page_size(fields.integer("max_results"), usual=USUAL, most=MOST),
        after=fields.text("page_token"),
    )
    return paged({"experiments": [forms.experiment(each) for each in found]}, token)


def search_datasets(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """The datasets that the runs of some experiments took in."""
    places = finding.places_of(tracking.store, asked.project, experiment_ids(asked))
    said = [
        {"experiment_id": str(experiment), "name": name, "digest": digest, **({"context": context} if context else {})}
        for experiment, name, digest, context in inputs.summaries(tracking.store, places)
    ]
    return {"dataset_summaries": said}


def experiment_ids(asked: Asked) -> list[int]:
    """The experiments that a search is about.

    Raises:
        RequestInvalid: one is no number.
    """
    found = []
    for text in asked.fields.texts("experiment_ids"):
        if not text.isascii() or not text.isdecimal() or len(text) > 18:
            raise RequestInvalid(f"Invalid experiment ID: {text[:100]!r}. It must be a number.")
        found.append(int(text))
    return found


def stages(asked: Asked, name: str) -> frozenset[Stage]:
    """Which stages a view shows.

    Raises:
        RequestInvalid: there is no such view.
    """
    given = asked.fields.text(name)
    if given not in _STAGES:
        raise RequestInvalid(f"Invalid value '{given[:100]}' for parameter '{name}' supplied: it is one of ACTIVE_ONLY, DELETED_ONLY, ALL")
    return _STAGES[given]


def paged(said: dict[str, Any], token: str) -> dict[str, Any]:
    """An answer with the token of the next page, which is absent at the end."""
    return {**said, "next_page_token": token} if token else said


ENDPOINTS = (
    Endpoint(method="POST", path=f"{V2}runs/search", handler=search_runs, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V2}experiments/search", handler=search_experiments, right=Right.VIEW),
    Endpoint(method="GET", path=f"{V2}experiments/search", handler=search_experiments, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V2}experiments/search-datasets", handler=search_datasets, right=Right.VIEW, ajax=True),
)
