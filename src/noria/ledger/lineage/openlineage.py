"""Turns as OpenLineage run events: what a training read, what came of it, and how it ended.

Written to OpenLineage 2-0-2. It has no facet for models (proposal #4035 is open), so a version is an output dataset with the
standard facets `version` and `datasetType`, and one facet of our own, `noria_model`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from noria.core.data import DatasetVersion
from noria.core.moments import to_ms
from noria.core.registry import ModelVersion
from noria.core.schema import Field, Kind
from noria.core.turning import Event, Turn
from noria.ledger.lineage.places import place_of

NAMESPACE = "noria"
PRODUCER = "urn:noria"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"

TYPES = {
    "data.taken": "START",
    "version.registered": "COMPLETE",
    "turn.refused": "COMPLETE",
    "turn.failed": "FAIL",
    "turn.cancelled": "ABORT",
    "policy.declined": "ABORT",
}
"""Kind of a turn's ledger event to the type of run event that it is."""

_TYPES = {Kind.FLOAT: "double", Kind.INT: "bigint", Kind.BOOL: "boolean", Kind.TEXT: "string", Kind.TIME: "timestamp"}


def run_event(
    event: Event,
    turn: Turn,
    datasets: Sequence[DatasetVersion],
    *,
    version: ModelVersion | None = None,
    sources: Mapping[str, str] | None = None,
    error: str = "",
    noria: str = "",
) -> dict[str, Any]:
    """A turn's ledger event as a run event.

    Args:
        datasets: What the turn took.
        version: What it registered; None = nothing.
        sources: Dataset to where it is read from: by that other systems know it.
        error: The traceback of a turn that failed.
        noria: Noria's own version.
    """
    run: dict[str, Any] = {
        "nominalTime": _facet("1-0-1/NominalTimeRunFacet", nominalStartTime=_iso(turn.created_at)),
        "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", version=noria, name="noria", openlineageAdapterVersion=noria),
        "noria_turn": _own("turn", turn=turn.id, number=turn.number, signal=str(turn.signal.cause), reason=turn.signal.reason[:1_000]),
    }
    if event.kind == "turn.failed":
        said = {"message": "; ".join(event.reasons)[:4_000] or "failed", "programmingLanguage": "python"}
        run["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", **said, **({"stackTrace": error[:20_000]} if error else {}))
    elif event.reasons and TYPES[event.kind] != "START":
        run["noria_outcome"] = _own("outcome", kind=event.kind, reasons=[reason[:1_000] for reason in event.reasons[:20]])
    if version is not None:
        params = [{"key": name, "name": name, "value": value} for name, value in version.candidate.recipe.params.items()]
        run["executionParameters"] = _facet("1-0-0/ExecutionParametersRunFacet", parameters=params)
    return {
        "eventTime": _iso(event.recorded_at),
        "eventType": TYPES[event.kind],
        "producer": PRODUCER,
        "schemaURL": SPEC,
        "run": {"runId": run_id(turn), "facets": run},
        "job": {"namespace": NAMESPACE, "name": f"{turn.loop}.train", "facets": _job()},
        "inputs": [_input(one, (sources or {}).get(one.name, "")) for one in datasets],
        "outputs": [_output(version)] if version is not None else [],
    }


def run_id(turn: Turn) -> str:
    """The UUID of a turn's run: version 7, from when the turn began and its id, so the same wherever it is asked."""
    noise = int.from_bytes(hashlib.sha256(turn.id.encode()).digest()[:10], "big")
    bits = (to_ms(turn.created_at) & (1 << 48) - 1) << 80 | noise
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def _job() -> dict[str, Any]:
    kinds = {"processingType": "BATCH", "integration": "NORIA", "jobType": "TRAINING"}
    return {"jobType": _facet("2-0-4/JobTypeJobFacet", **kinds)}


def _input(one: DatasetVersion, source: str) -> dict[str, Any]:
    namespace, name = place_of(source) if source else (NAMESPACE, one.name)
    facets = {
        "version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=one.digest),
        "schema": _facet("1-2-0/SchemaDatasetFacet", fields=[_field(field) for field in one.schema[:1_000]]),
    }
    if source:
        identifiers = [{"namespace": NAMESPACE, "name": one.name, "type": "TABLE"}]
        facets["symlinks"] = _facet("1-0-1/SymlinksDatasetFacet", identifiers=identifiers)
    counted = {"rowCount": one.rows, "size": one.size_bytes}
    return {
        "namespace": namespace,
        "name": name,
        "facets": facets,
        "inputFacets": {"inputStatistics": _facet("1-0-0/InputStatisticsInputDatasetFacet", **counted)},
    }


def _output(version: ModelVersion) -> dict[str, Any]:
    candidate = version.candidate
    model = _own(
        "model",
        number=version.number,
        artifact=candidate.artifact,
        format=candidate.format,
        task=str(candidate.signature.task),
        verdict=str(version.verdict.outcome),
        metrics={name: mark.value for name, mark in version.scorecard.metrics.items() if mark.value - mark.value == 0},
    )
    features = [_field(field) for field in candidate.signature.features[:1_000]]
    return {
        "namespace": NAMESPACE,
        "name": version.model,
        "facets": {
            "version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=str(version.number)),
            "datasetType": _facet("1-0-1/DatasetTypeDatasetFacet", datasetType="MODEL"),
            "schema": _facet("1-2-0/SchemaDatasetFacet", fields=features),
            "noria_model": model,
        },
        "outputFacets": {"outputStatistics": _facet("1-0-2/OutputStatisticsOutputDatasetFacet", size=candidate.size_bytes)},
    }


def _field(field: Field) -> dict[str, str]:
    return {"name": field.name, "type": _TYPES.get(field.kind, str(field.kind))}


def _facet(schema: str, **said: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{FACETS}/{schema}.json", **said}


def _own(name: str, **said: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}:facet:{name}", **said}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
