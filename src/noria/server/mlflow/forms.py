"""Values of the house as MLflow's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noria.core.tracking import Experiment, Point, RunContents, TrackedRun


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
