"""Experiments of the protocol; they are searched in `searching`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlparse

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.tracking import experiments
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Asked, missing
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking


def experiment_id(asked: Asked, name: str = "experiment_id") -> int:
    """The required id of an experiment.

    Raises:
        RequestInvalid: it is missing, or no number.
    """
    text = asked.fields.text(name)
    if text == "":
        raise missing(name)
    if not text.isdecimal() or len(text) > 18:
        raise RequestInvalid(f"Invalid experiment ID: {text[:100]!r}. It must be a number.")
    return int(text)


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Make one."""
    name = asked.fields.text("name", required=True)
    artifacts, tags = asked.fields.text("artifact_location"), dict(asked.fields.pairs("tags"))
    if (parsed := urlparse(artifacts)).fragment or parsed.params:
        raise RequestInvalid("'artifact_location' URL can't include fragments or params.")
    now = tracking.now_ms()
    id = tracking.store.write(lambda tx: experiments.create(tx, asked.project, name, now_ms=now, artifacts=artifacts, tags=tags))
    return {"experiment_id": str(id)}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One by id."""
    return {"experiment": forms.experiment(experiments.get(tracking.store, asked.project, experiment_id(asked)))}


def get_by_name(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One by name."""
    name = asked.fields.text("experiment_name", required=True)
    return {"experiment": forms.experiment(experiments.by_name(tracking.store, asked.project, name))}


def update(tracking: Tracking, asked: Asked) -> None:
    """Rename it."""
    id, name, now = experiment_id(asked), asked.fields.text("new_name", required=True), tracking.now_ms()
    tracking.store.write(lambda tx: experiments.rename(tx, asked.project, id, name, now_ms=now))


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it, with its runs."""
    id, now = experiment_id(asked), tracking.now_ms()
    tracking.store.write(lambda tx: experiments.delete(tx, asked.project, id, now_ms=now))


def restore(tracking: Tracking, asked: Asked) -> None:
    """Bring it back."""
    id, now = experiment_id(asked), tracking.now_ms()
    tracking.store.write(lambda tx: experiments.restore(tx, asked.project, id, now_ms=now))


def set_tag(tracking: Tracking, asked: Asked) -> None:
    """Set a tag."""
    id, key, value = experiment_id(asked), asked.fields.text("key", required=True), asked.fields.text("value")
    tracking.store.write(lambda tx: experiments.set_tag(tx, asked.project, id, key, value))


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    id, key = experiment_id(asked), asked.fields.text("key", required=True)
    tracking.store.write(lambda tx: experiments.delete_tag(tx, asked.project, id, key))


ENDPOINTS = (
    Endpoint(method="POST", path=f"{V2}experiments/create", handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{V2}experiments/get", handler=get, right=Right.VIEW),
    Endpoint(method="GET", path=f"{V2}experiments/get-by-name", handler=get_by_name, right=Right.VIEW),
    Endpoint(method="POST", path=f"{V2}experiments/update", handler=update, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}experiments/delete", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}experiments/restore", handler=restore, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}experiments/set-experiment-tag", handler=set_tag, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{V2}experiments/delete-experiment-tag", handler=delete_tag, right=Right.CONTRIBUTE),
)
