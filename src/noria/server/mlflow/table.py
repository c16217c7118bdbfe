"""Every endpoint of the protocol, group by group."""

from __future__ import annotations

from noria.server.mlflow import (
    about,
    artifact_parts,
    artifacts,
    assessments,
    entries,
    evaluation_datasets,
    experiments,
    logged_models,
    logging,
    metrics,
    otlp,
    registry,
    runs,
    scorers,
    searching,
    trace_numbers,
    traces,
    versions,
    webhooks,
    workspaces,
)
from noria.server.mlflow.endpoints import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *about.ENDPOINTS,
    *experiments.ENDPOINTS,
    *runs.ENDPOINTS,
    *logging.ENDPOINTS,
    *entries.ENDPOINTS,
    *metrics.ENDPOINTS,
    *artifacts.ENDPOINTS,
    *artifact_parts.ENDPOINTS,
    *searching.ENDPOINTS,
    *logged_models.ENDPOINTS,
    *traces.ENDPOINTS,
    *trace_numbers.ENDPOINTS,
    *otlp.ENDPOINTS,
    *assessments.ENDPOINTS,
    *evaluation_datasets.ENDPOINTS,
    *scorers.ENDPOINTS,
    *registry.ENDPOINTS,
    *versions.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *workspaces.ENDPOINTS,
)
