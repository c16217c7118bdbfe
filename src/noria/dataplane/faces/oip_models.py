"""What the Open Inference Protocol tells about a model: metadata, Triton's configuration, statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from noria.core.traffic import Role
from noria.dataplane.tensor_forms import Spec, inputs_of, outputs_of
from noria.stages.serving.desk import Deployed, Desk
from noria.stages.serving.tallies import Tally

PLATFORM = "noria"


def metadata(deployed: Deployed) -> dict[str, Any]:
    """Inputs and outputs of a model; -1 is the number of rows."""
    return {
        "name": deployed.name,
        "versions": [str(number) for number in deployed.versions],
        "platform": PLATFORM,
        "inputs": _tensors(inputs_of(deployed.signature)),
        "outputs": _tensors(outputs_of(deployed.signature)),
        "parameters": {"optional": ",".join(one.name for one in inputs_of(deployed.signature) if one.optional)},
    }


def config(deployed: Deployed, row_limit: int) -> dict[str, Any]:
    """The model in the fields of Triton's model configuration; dimensions are without the rows."""
    return {
        "name": deployed.name,
        "platform": PLATFORM,
        "backend": PLATFORM,
        "version_policy": {"specific": {"versions": list(deployed.versions)}},
        "max_batch_size": row_limit,
        "input": [
            {"name": one.name, "data_type": triton_type(one.datatype), "format": "FORMAT_NONE", "dims": one.shape[1:], "optional": one.optional}
            for one in inputs_of(deployed.signature)
        ],
        "output": [
            {"name": one.name, "data_type": triton_type(one.datatype), "dims": one.shape[1:], "label_filename": ""}
            for one in outputs_of(deployed.signature)
        ],
        "instance_group": [{"name": deployed.name, "kind": "KIND_CPU", "count": 1, "gpus": [], "profile": []}],
        "parameters": {},
    }  # fmt: skip


def index(desk: Desk, *, only_ready: bool) -> list[dict[str, Any]]:
    """Every version at work, and the models that did not load."""
    at_work = desk.versions()
    ready = [
        {"name": name, "version": str(number), "state": "READY", "reason": ""} for name, numbers in at_work.items() for number in numbers
    ]
    unopened = [] if only_ready else [(name, why) for name, why in desk.unopened.items() if name not in at_work]
    return ready + [{"name": name, "version": "", "state": "UNAVAILABLE", "reason": why} for name, why in unopened]


def triton_type(datatype: str) -> str:
    """A datatype as Triton's configuration names it."""
    return "TYPE_" + datatype.replace("BYTES", "STRING")


def statistics(desk: Desk, only: Deployed | None = None) -> list[dict[str, Any]]:
    """Rows and times of each version since this process started, roles taken together; time is from arrival to answer."""
    tallies: dict[tuple[str, int], list[Tally]] = defaultdict(list)
    for (deployment, number, role), tally in list(desk.tallies.items()):
        if role is not Role.SHADOW:
            tallies[deployment, number].append(tally)
    at_work = {only.name: only.versions} if only else desk.versions()
    return [_statistics(name, number, tallies.get((name, number), [])) for name, numbers in at_work.items() for number in numbers]


def _statistics(name: str, version: int, tallies: Sequence[Tally]) -> dict[str, Any]:
    answered, failed = sum(one.answered for one in tallies), sum(one.failed for one in tallies)
    ns = sum(one.latency_us for one in tallies) * 1_000
    success, none = {"count": answered, "ns": ns}, {"count": 0, "ns": 0}
    return {
        "name": name,
        "version": str(version),
        "last_inference": 0,
        "inference_count": answered,
        "execution_count": answered + failed,
        "inference_stats": {
            "success": success,
            "fail": {"count": failed, "ns": 0},
            "queue": none,
            "compute_input": none,
            "compute_infer": success,
            "compute_output": none,
            "cache_hit": none,
            "cache_miss": none,
        },
        "batch_stats": [],
        "memory_usage": [],
    }


def _tensors(specs: Sequence[Spec]) -> list[dict[str, Any]]:
    return [{"name": one.name, "datatype": one.datatype, "shape": one.shape} for one in specs]
