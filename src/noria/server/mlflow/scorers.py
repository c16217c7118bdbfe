"""Scorers by the protocol: registered, listed, sampled. They are kept and given back, never run here."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.traces import scorers
from noria.server.mlflow.asked import Asked, missing
from noria.server.mlflow.endpoints import V3, Endpoint, Tracking
from noria.server.mlflow.experiments import experiment_id
from noria.server.mlflow.trace_forms import experiments_of


def register(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Make the next version of a scorer."""
    fields, experiment, now = asked.fields, experiment_id(asked), tracking.now_ms()
    name, body = fields.text("name", required=True), fields.text("serialized_scorer", required=True)
    new = str(uuid4())
    made = tracking.store.write(lambda tx: scorers.register(tx, asked.project, experiment, name, body, new_id=new, now_ms=now))
    return {
        "version": made.version,
        "scorer_id": made.id,
        "experiment_id": str(made.experiment),
        "name": made.name,
        "serialized_scorer": made.body,
        "creation_time": made.created_ms,
    }


def listed(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """The newest version of each."""
    fields = asked.fields
    one, several = fields.text("experiment_id"), fields.values.get("experiment_ids")
    if one and several is not None:
        raise RequestInvalid("Cannot specify both 'experiment_id' and 'experiment_ids'.")
    wanted = [one] if one else (None if several is None else fields.texts("experiment_ids"))
    found = scorers.listed(tracking.store, asked.project, None if wanted is None else experiments_of(wanted))
    return {"scorers": [_form(each) for each in found]}


def versions(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """All versions of one."""
    name = asked.fields.text("name", required=True)
    return {"scorers": [_form(one) for one in scorers.versions(tracking.store, asked.project, experiment_id(asked), name)]}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One version, or the newest."""
    name, version = asked.fields.text("name", required=True), asked.fields.integer("version")
    return {"scorer": _form(scorers.get(tracking.store, asked.project, experiment_id(asked), name, version))}


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete one version, or all."""
    name, version, experiment = asked.fields.text("name", required=True), asked.fields.integer("version"), experiment_id(asked)
    tracking.store.write(lambda tx: scorers.delete(tx, asked.project, experiment, name, version))


def sample(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Say which share of new traces it shall judge."""
    fields = asked.fields
    name, share, filter = fields.text("name", required=True), fields.number("sample_rate"), fields.text("filter_string") or None
    made = scorers.sample(tracking.store, asked.project, experiment_id(asked), name, share, filter, new_id=uuid4().hex)
    return {"config": _config(made)}


def samplings(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """What was said of shares."""
    wanted = asked.fields.texts("scorer_ids")
    if not wanted:
        raise missing("scorer_ids")
    return {"configs": [_config(one) for one in scorers.samplings(tracking.store, asked.project, wanted)]}


def _form(one: scorers.ScorerVersion) -> dict[str, Any]:
    return {
        "experiment_id": one.experiment,
        "scorer_name": one.name,
        "scorer_version": one.version,
        "serialized_scorer": one.body,
        "creation_time": one.created_ms,
        "scorer_id": one.id,
    }


def _config(one: scorers.Sampling) -> dict[str, Any]:
    said = {
        "online_scoring_config_id": one.id,
        "scorer_id": one.scorer,
        "sample_rate": one.share,
        "experiment_id": str(one.experiment),
    }
    return said if one.filter is None else {**said, "filter_string": one.filter}


_ALL = f"{V3}scorers"

ENDPOINTS = (
    Endpoint(method="POST", path=f"{_ALL}/register", handler=register, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_ALL}/list", handler=listed, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_ALL}/versions", handler=versions, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_ALL}/get", handler=get, right=Right.VIEW),
    Endpoint(method="DELETE", path=f"{_ALL}/delete", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="PUT", path=f"{_ALL}/online-config", handler=sample, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_ALL}/online-configs", handler=samplings, right=Right.VIEW),
)
