"""Values of the house as MLflow's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from noria.core.tracking import Experiment, LoggedModel, ModelPoint, Point, RunContents, RunFlow, TrackedDataset, TrackedRun
from noria.ports.sql import Row


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags or parameters."""
    return [{"key": key, "value": value} for key, value in values.items()]


def experiment(value: Experiment) -> dict[str, Any]:
    """An `Experiment`."""
    return {
        "experiment_id": str(value.id),
        "name": value.name,
        "artifact_location": value.artifacts,
        "lifecycle_stage": value.state,
        "creation_time": value.created_ms,
        "last_update_time": value.updated_ms,
        "tags": pairs(value.tags),
    }


def run_info(value: TrackedRun) -> dict[str, Any]:
    """A `RunInfo`; `run_uuid` is the older name of `run_id`, which clients still send and read."""
    info = {
        "run_id": value.id,
        "run_uuid": value.id,
        "run_name": value.name,
        "experiment_id": str(value.experiment),
        "user_id": value.person,
        "status": value.status,
        "start_time": value.start_ms,
        "artifact_uri": value.artifacts,
        "lifecycle_stage": value.state,
    }
    return info if value.end_ms is None else {**info, "end_time": value.end_ms}


def run(value: TrackedRun, contents: RunContents, inputs: Mapping[str, Any] | None = None, outputs: Any = None) -> dict[str, Any]:
    """A `Run`.

    Args:
        inputs, outputs: As the protocol's own JSON.
    """
    data = {"metrics": [metric(point) for point in contents.metrics], "params": pairs(contents.params), "tags": pairs(contents.tags)}
    said: dict[str, Any] = {"info": run_info(value), "data": data, "inputs": inputs or {}}
    return {**said, "outputs": outputs} if outputs else said


def metric(point: Point) -> dict[str, Any]:
    """A `Metric`; JSON has no NaN, clients read it from a text."""
    return {
        "key": point.key,
        "value": point.value if point.value == point.value else "NaN",
        "timestamp": point.at_ms,
        "step": point.step,
    }


def history(key: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """`Metric`s of rows (at_ms, step, value, nan)."""
    return [{"key": key, "value": "NaN" if nan else value, "timestamp": at_ms, "step": step} for at_ms, step, value, nan in rows]


def flow(value: RunFlow | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A `RunInputs` and a `RunOutputs`."""
    if value is None:
        return {}, {}
    taken = [{"dataset": dataset(each.dataset), "tags": pairs(each.tags)} for each in value.datasets]
    models = [{"model_id": model} for model in value.models_in]
    made = [{"model_id": model, "step": step} for model, step in value.models_out]
    inputs = {"dataset_inputs": taken, **({"model_inputs": models} if models else {})} if taken or models else {}
    return inputs, {"model_outputs": made} if made else {}


def dataset(value: TrackedDataset) -> dict[str, str]:
    """A `Dataset`."""
    said = {"name": value.name, "digest": value.digest, "source_type": value.source_type, "source": value.source}
    more = {"schema": value.form, "profile": value.profile}
    return said | {name: text for name, text in more.items() if text}


def data(params: Iterable[Row], tags: Iterable[Row], metrics: Iterable[Row]) -> dict[str, Any]:
    """A `RunData` of rows, as `noria.ledger.tracking.contents` gives them."""
    return {
        "metrics": [
            {"key": key, "value": "NaN" if nan else value, "timestamp": at_ms, "step": step} for _, key, value, nan, step, at_ms in metrics
        ],
        "params": [{"key": key, "value": value} for _, key, value in params],
        "tags": [{"key": key, "value": value} for _, key, value in tags],
    }


def logged_model(value: LoggedModel) -> dict[str, Any]:
    """A `LoggedModel`."""
    info = {
        "model_id": value.id,
        "experiment_id": str(value.experiment),
        "name": value.name,
        "creation_timestamp_ms": value.created_ms,
        "last_updated_timestamp_ms": value.updated_ms,
        "artifact_uri": value.artifacts,
        "status": value.status,
        "tags": pairs(value.tags),
    }
    more = {"model_type": value.type, "source_run_id": value.run}
    data = {"params": pairs(value.params), "metrics": [_model_metric(each, value.id) for each in value.points]}
    return {"info": info | {name: text for name, text in more.items() if text}, "data": data}


def _model_metric(each: ModelPoint, model: str) -> dict[str, Any]:
    about = {"model_id": model, "run_id": each.run, "dataset_name": each.dataset, "dataset_digest": each.digest}
    return metric(each.point) | {name: text for name, text in about.items() if text}
