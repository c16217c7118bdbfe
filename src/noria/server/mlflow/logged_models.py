"""Logged models of the protocol, and what runs take in and give out."""

from __future__ import annotations

from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.core.tracking import ModelStatus, TrackedDataset, TrackedInput
from noria.ledger.searching.pages import page_size
from noria.ledger.tracking import inputs, logged_models, models_found, runs
from noria.ledger.tracking.models_found import OnDataset, OrderBy
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Asked, Fields, missing
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking
from noria.server.mlflow.experiments import experiment_id
from noria.server.mlflow.runs import run_id
from noria.server.mlflow.searching import experiment_ids, paged

USUAL, MOST = 100, 1_000
_STATUSES = {"1": ModelStatus.PENDING, "2": ModelStatus.READY, "3": ModelStatus.FAILED} | {str(each): each for each in ModelStatus}


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Make one that waits for its files."""
    fields, experiment, now = asked.fields, experiment_id(asked), tracking.now_ms()
    name, type, run = fields.text("name") or None, fields.text("model_type"), fields.text("source_run_id")
    params, tags = fields.pairs("params"), fields.pairs("tags")
    id = tracking.store.write(
        lambda tx: logged_models.create(tx, asked.project, experiment, now_ms=now, name=name, type=type, run=run, params=params, tags=tags)
    )
    return _shown(tracking, asked, id)


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One."""
    found = logged_models.get(tracking.store, asked.project, asked.names["model_id"], deleted=asked.fields.flag("allow_deleted"))
    return {"model": forms.logged_model(found)}


def finish(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Say how far it is."""
    id, given, now = asked.names["model_id"], asked.fields.text("status", required=True), tracking.now_ms()
    if given not in _STATUSES:
        raise RequestInvalid(f"Invalid value '{given[:100]}' for parameter 'status' supplied: it is one of {', '.join(ModelStatus)}")
    tracking.store.write(lambda tx: logged_models.finish(tx, asked.project, id, _STATUSES[given], now_ms=now))
    return _shown(tracking, asked, id)


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it."""
    id, now = asked.names["model_id"], tracking.now_ms()
    tracking.store.write(lambda tx: logged_models.delete(tx, asked.project, id, now_ms=now))


def restore(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Bring it back; MLflow's own protocol has no such call."""
    id, now = asked.names["model_id"], tracking.now_ms()
    tracking.store.write(lambda tx: logged_models.restore(tx, asked.project, id, now_ms=now))
    return _shown(tracking, asked, id)


def set_tags(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Set tags."""
    id, tags = asked.names["model_id"], asked.fields.pairs("tags")
    tracking.store.write(lambda tx: logged_models.set_tags(tx, logged_models.open_row(tx, asked.project, id), tags))
    return _shown(tracking, asked, id)


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    id, key = asked.names["model_id"], asked.names["tag_key"]
    tracking.store.write(lambda tx: logged_models.delete_tag(tx, asked.project, id, key))


def log_params(tracking: Tracking, asked: Asked) -> None:
    """Log parameters."""
    id, params = asked.names["model_id"], asked.fields.pairs("params")
    tracking.store.write(lambda tx: logged_models.log_params(tx, logged_models.open_row(tx, asked.project, id), params))


def search(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """A page of them."""
    fields = asked.fields
    if not fields.texts("experiment_ids"):
        raise missing("experiment_ids")
    found, token = models_found.find(
        tracking.store,
        asked.project,
        experiment_ids(asked),
        filter=fields.text("filter"),
        datasets=[_dataset(each) for each in fields.items("datasets")],
        order=[_order(each) for each in fields.items("order_by")],
        limit=page_size(fields.integer("max_results") or None, usual=USUAL, most=MOST),
        after=fields.text("page_token"),
    )
    return paged({"models": [forms.logged_model(each) for each in found]}, token)


def log_inputs(tracking: Tracking, asked: Asked) -> None:
    """Say what a run took in."""
    id, taken = run_id(asked), [_input(each) for each in asked.fields.items("datasets")]
    models = [each.text("model_id", required=True) for each in asked.fields.items("models")]
    tracking.store.write(lambda tx: inputs.take_in(tx, runs.open_row(tx, asked.project, id), taken, models))


def log_outputs(tracking: Tracking, asked: Asked) -> None:
    """Say which models a run made."""
    id, given = run_id(asked), asked.fields.items("models")
    models = [(each.text("model_id", required=True), each.integer("step", 0) or 0) for each in given]
    tracking.store.write(lambda tx: inputs.give_out(tx, runs.open_row(tx, asked.project, id), models))


def _shown(tracking: Tracking, asked: Asked, id: str) -> dict[str, Any]:
    return {"model": forms.logged_model(logged_models.get(tracking.store, asked.project, id))}


def _input(fields: Fields) -> TrackedInput:
    given = fields.one("dataset")
    if not given.values:
        raise RequestInvalid("Dataset input must have a dataset associated with it.")
    name, digest = given.text("name", required=True), given.text("digest", required=True)
    source_type, source = given.text("source_type", required=True), given.text("source", required=True)
    dataset = TrackedDataset(
        name=name, digest=digest, source_type=source_type, source=source, form=given.text("schema"), profile=given.text("profile")
    )
    return TrackedInput(dataset=dataset, tags=dict(fields.pairs("tags")))


def _dataset(fields: Fields) -> OnDataset:
    name = fields.text("dataset_name")
    if not name:
        raise RequestInvalid("`dataset_name` in the `datasets` clause must be specified.")
    return OnDataset(name, fields.text("dataset_digest"))


def _order(fields: Fields) -> OrderBy:
    field = fields.text("field_name", required=True)
    return OrderBy(field, fields.flag("ascending", True), fields.text("dataset_name"), fields.text("dataset_digest"))


_ONE = f"{V2}logged-models/{{model_id}}"

ENDPOINTS = (
    Endpoint(method="POST", path=f"{V2}logged-models", handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}logged-models/search", handler=search, right=Right.VIEW),
    Endpoint(method="GET", path=_ONE, handler=get, right=Right.VIEW),
    Endpoint(method="PATCH", path=_ONE, handler=finish, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=_ONE, handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_ONE}/restore", handler=restore, right=Right.CONTRIBUTE),
    Endpoint(method="PATCH", path=f"{_ONE}/tags", handler=set_tags, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_ONE}/tags/{{tag_key:path}}", handler=delete_tag, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_ONE}/params", handler=log_params, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}runs/log-inputs", handler=log_inputs, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}runs/outputs", handler=log_outputs, right=Right.CONTRIBUTE),
)
