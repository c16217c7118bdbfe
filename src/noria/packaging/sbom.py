"""A version's bill of materials: the model, its marks and data, and everything that was installed where it was trained.

CycloneDX 1.6, written here: its Python library has no model card.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from noria.core.environment import Distribution, Environment
from noria.core.registry import ModelVersion
from noria.core.schema import Estimate

SPEC = "1.6"


def cyclonedx(version: ModelVersion, environment: Environment, datasets: Mapping[str, str], *, at: datetime, noria: str) -> dict[str, Any]:
    """The bill of materials as plain JSON types; the same version at the same moment gives the same.

    Args:
        datasets: Dataset to the digest of the version that was trained on.
        at: When it is written.
        noria: The version of Noria that writes it.
    """
    name = f"{version.model}@{version.number}"
    libraries = [_library(one) for one in environment.distributions]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'noria:{name}:{version.candidate.artifact}')}",
        "version": 1,
        "metadata": {
            "timestamp": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "tools": {"components": [{"type": "application", "name": "noria", "version": noria}]},
            "component": _model(version, name, datasets),
        },
        "components": [*libraries, _python(environment)],
        "dependencies": [{"ref": name, "dependsOn": [one["bom-ref"] for one in libraries] + ["python"]}],
    }


def _model(version: ModelVersion, name: str, datasets: Mapping[str, str]) -> dict[str, Any]:
    candidate = version.candidate
    trained = [{"type": "dataset", "name": dataset, "description": digest} for dataset, digest in datasets.items()]
    return {
        "type": "machine-learning-model",
        "bom-ref": name,
        "name": version.model,
        "version": str(version.number),
        "hashes": [{"alg": "SHA-256", "content": candidate.artifact.removeprefix("sha256:")}],
        "properties": [
            {"name": "noria:format", "value": candidate.format},
            {"name": "noria:code", "value": version.code},
            {"name": "noria:commit", "value": candidate.provenance.commit},
            {"name": "noria:environment", "value": candidate.provenance.environment},
        ],
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": str(candidate.signature.task),
                "datasets": trained,
                "inputs": [{"format": f"{field.name}: {field.kind}"} for field in candidate.signature.inputs],
                "outputs": [{"format": str(candidate.signature.task)}],
            },
            "quantitativeAnalysis": {"performanceMetrics": [_mark(metric, mark) for metric, mark in version.scorecard.metrics.items()]},
        },
    }


def _mark(name: str, mark: Estimate) -> dict[str, Any]:
    bounds = {"lowerBound": f"{mark.low:.6g}", "upperBound": f"{mark.high:.6g}"}
    return {"type": name, "value": f"{mark.value:.6g}", "confidenceInterval": bounds}


def _library(one: Distribution) -> dict[str, Any]:
    purl = f"pkg:pypi/{quote(one.name)}@{quote(one.version)}"
    found: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": one.name, "version": one.version, "purl": purl}
    if one.license:
        found["licenses"] = [{"license": {"name": one.license}}]
    if one.archive.startswith("sha256="):
        found["hashes"] = [{"alg": "SHA-256", "content": one.archive.removeprefix("sha256=")}]
    return found


def _python(environment: Environment) -> dict[str, Any]:
    told = {"type": "platform", "bom-ref": "python", "name": environment.implementation, "version": environment.python}
    return {**told, "description": f"{environment.platform}, {environment.processor}".rstrip(", ")}
