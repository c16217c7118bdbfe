"""Runs of the protocol: begun, ended, deleted, restored; what is logged to them is in `logging`."""

from __future__ import annotations

from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.core.tracking import RunStatus
from noria.ledger.tracking import inputs, runs
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Asked, missing
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking
from noria.server.mlflow.experiments import experiment_id


def run_id(asked: Asked) -> str:
    """The required id of a run, under its newer or older name.

    Raises:
        RequestInvalid: it is missing.
    """
    id = asked.fields.text("run_id") or asked.fields.text("run_uuid")
    if not id:
        raise missing("run_id")
    return id


def shown(tracking: Tracking, asked: Asked, id: str) -> dict[str, Any]:
    """A run with its contents."""
    run = runs.get(tracking.store, asked.project, id)
    return forms.run(run, runs.of_contents(tracking.store, run), *forms.flow(inputs.flows(tracking.store, [run.row]).get(run.row)))


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Begin one."""
    fields = asked.fields
    experiment = experiment_id(asked) if fields.text("experiment_id") else 0
    start_ms = fields.integer("start_time") or tracking.now_ms()
    name, person, tags = fields.text("run_name"), fields.text("user_id"), fields.pairs("tags")
    id = tracking.store.write(lambda tx: runs.create(tx, asked.project, experiment, start_ms=start_ms, name=name, person=person, tags=tags))
    return {"run": shown(tracking, asked, id)}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One with its latest metrics."""
    return {"run": shown(tracking, asked, run_id(asked))}


def update(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Say how far it is, or what it is called."""
    id, given, name = run_id(asked), asked.fields.text("status"), asked.fields.text("run_name")
    if given and given not in RunStatus.__members__:
        raise RequestInvalid(f"Invalid value \"{given[:100]}\" for parameter 'status' supplied: it is one of {', '.join(RunStatus)}")
    status, end_ms = RunStatus(given) if given else None, asked.fields.integer("end_time")
    tracking.store.write(lambda tx: runs.update(tx, asked.project, id, status=status, end_ms=end_ms, name=name))
    return {"run_info": forms.run_info(runs.get(tracking.store, asked.project, id))}


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it."""
    id, now = run_id(asked), tracking.now_ms()
    tracking.store.write(lambda tx: runs.delete(tx, asked.project, id, now_ms=now))


def restore(tracking: Tracking, asked: Asked) -> None:
    """Bring it back."""
    id = run_id(asked)
    tracking.store.write(lambda tx: runs.restore(tx, asked.project, id))


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    id, key = run_id(asked), asked.fields.text("key", required=True)
    tracking.store.write(lambda tx: runs.delete_tag(tx, runs.open_row(tx, asked.project, id), id, key))


ENDPOINTS = (
    Endpoint(method="POST", path=f"{V2}runs/create", handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{V2}runs/get", handler=get, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V2}runs/update", handler=update, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}runs/delete", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}runs/restore", handler=restore, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}runs/delete-tag", handler=delete_tag, right=Right.CONTRIBUTE),
)
