"""Evaluation datasets by the protocol."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.traces import evaluation_datasets as datasets
from noria.ledger.traces import evaluation_records as records
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import V3, Endpoint, Tracking
from noria.server.mlflow.trace_forms import experiments_of


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Make one."""
    fields, id, now = asked.fields, f"d-{uuid4().hex}", tracking.now_ms()
    name, experiments, tags = fields.text("name", required=True), experiments_of(fields.texts("experiment_ids")), _object(asked, "tags")
    tracking.store.write(lambda tx: datasets.create(tx, asked.project, id, name, tags=tags, experiments=experiments, now_ms=now))
    return _told(tracking, asked, id)


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One, without its records."""
    return _told(tracking, asked, _id(asked))


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it with its records."""
    tracking.store.write(lambda tx: datasets.delete(tx, asked.project, _id(asked)))


def search(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of them."""
    fields = asked.fields
    found, token = datasets.search(
        tracking.store,
        asked.project,
        experiments=experiments_of(fields.texts("experiment_ids")),
        filter=fields.text("filter_string"),
        order=fields.texts("order_by"),
        limit=fields.count("max_results", 1_000, most=50_000),
        token=fields.text("page_token"),
    )
    return {"datasets": [_form(one) for one in found], **({"next_page_token": token} if token else {})}


def set_tags(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Set tags."""
    tags = _object(asked, "tags", required=True)
    tracking.store.write(lambda tx: datasets.set_tags(tx, asked.project, _id(asked), tags))
    return _told(tracking, asked, _id(asked))


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    tracking.store.write(lambda tx: datasets.delete_tag(tx, asked.project, _id(asked), asked.names["key"]))


def upsert_records(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Keep records."""
    given, now = _json(asked, "records"), tracking.now_ms()
    if not isinstance(given, list):
        raise RequestInvalid("Invalid value for parameter 'records' supplied: it is a list of objects, as JSON in a text")
    new, changed = tracking.store.write(
        lambda tx: records.upsert(tx, asked.project, _id(asked), given, new_id=lambda: f"dr-{uuid4().hex}", now_ms=now)
    )
    return {"inserted_count": new, "updated_count": changed}


def get_records(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of records."""
    limit = asked.fields.count("max_results", 1_000, most=10_000)
    found, token = records.records(tracking.store, asked.project, _id(asked), limit=limit, token=asked.fields.text("page_token"))
    return {"records": orjson.dumps(found).decode(), **({"next_page_token": token} if token else {})}


def delete_records(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Delete records."""
    wanted = asked.fields.texts("dataset_record_ids")
    gone = tracking.store.write(lambda tx: records.delete_records(tx, asked.project, _id(asked), wanted))
    return {"deleted_count": gone}


def experiment_ids(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """The experiments that it is of."""
    return {"experiment_ids": [str(one) for one in datasets.get(tracking.store, asked.project, _id(asked)).experiments]}


def add_experiments(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Let it be of more experiments."""
    wanted, now = experiments_of(asked.fields.texts("experiment_ids")), tracking.now_ms()
    tracking.store.write(lambda tx: datasets.link(tx, asked.project, _id(asked), wanted, now_ms=now))
    return _told(tracking, asked, _id(asked))


def remove_experiments(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Let it be of fewer."""
    wanted, now = experiments_of(asked.fields.texts("experiment_ids")), tracking.now_ms()
    tracking.store.write(lambda tx: datasets.unlink(tx, asked.project, _id(asked), wanted, now_ms=now))
    return _told(tracking, asked, _id(asked))


def _id(asked: Asked) -> str:
    return asked.names["dataset_id"]


def _told(tracking: Tracking, asked: Asked, id: str) -> dict[str, Any]:
    return {"dataset": _form(datasets.get(tracking.store, asked.project, id))}


def _form(one: datasets.EvaluationDataset) -> dict[str, Any]:
    said = {
        "dataset_id": one.id,
        "name": one.name,
        "digest": one.digest,
        "created_time": one.created_ms,
        "last_update_time": one.updated_ms,
        "tags": orjson.dumps(one.tags).decode(),
        "experiment_ids": [str(experiment) for experiment in one.experiments],
    }
    if one.fields:
        said["schema"] = orjson.dumps(one.fields).decode()
    if one.records:
        said["profile"] = orjson.dumps({"num_records": one.records}).decode()
    return said | {name: value for name, value in (("created_by", one.created_by), ("last_updated_by", one.updated_by)) if value}


def _json(asked: Asked, name: str) -> Any:
    try:
        return orjson.loads(asked.fields.text(name, required=True))
    except orjson.JSONDecodeError as error:
        raise RequestInvalid(f"Invalid value for parameter '{name}' supplied: it is not JSON: {error}") from None


def _object(asked: Asked, name: str, *, required: bool = False) -> dict[str, Any]:
    if not required and not asked.fields.text(name):
        return {}
    found = _json(asked, name)
    if not isinstance(found, dict):
        raise RequestInvalid(f"Invalid value for parameter '{name}' supplied: it is an object, as JSON in a text")
    return found


_ALL = f"{V3}datasets"
_ONE = f"{_ALL}/{{dataset_id}}"

ENDPOINTS = (
    Endpoint(method="POST", path=f"{_ALL}/create", handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_ALL}/search", handler=search, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_ALL}/search", handler=search, right=Right.VIEW),
    Endpoint(method="GET", path=_ONE, handler=get, right=Right.VIEW),
    Endpoint(method="DELETE", path=_ONE, handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="PATCH", path=f"{_ONE}/tags", handler=set_tags, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_ONE}/tags/{{key}}", handler=delete_tag, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_ONE}/records", handler=upsert_records, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_ONE}/records", handler=get_records, right=Right.VIEW),
    Endpoint(method="DELETE", path=f"{_ONE}/records", handler=delete_records, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_ONE}/experiment-ids", handler=experiment_ids, right=Right.VIEW),
    Endpoint(method="POST", path=f"{_ONE}/add-experiments", handler=add_experiments, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_ONE}/remove-experiments", handler=remove_experiments, right=Right.CONTRIBUTE),
)
