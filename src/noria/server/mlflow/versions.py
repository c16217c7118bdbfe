"""Versions of registered models and prompts, their tags and stages."""

from __future__ import annotations

from typing import Any

from noria.core.rights import Right
from noria.ledger.models.finding import find_versions
from noria.ledger.models.origins import KnownOrigins
from noria.ledger.models.sources import of_prompt, resolved
from noria.ledger.models.values import is_prompt
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking
from noria.server.mlflow.registry import search_of, version_form, versions, who


def _place(asked: Asked) -> tuple[str, str]:
    return asked.fields.text("name", required=True), asked.fields.text("version", required=True)


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Register the next version of a model from a run's or a logged model's files, or from another version."""
    fields, registry = asked.fields, versions(tracking)
    name, source, tags = fields.text("name", required=True), fields.text("source", required=True), dict(fields.pairs("tags"))
    if is_prompt(tags):
        found = of_prompt(source)
    else:
        run, model_id = (fields.text(key) if fields.values.get(key) is not None else None for key in ("run_id", "model_id"))
        found = resolved(source, KnownOrigins(tracking.store, registry, asked.project), run=run, model_id=model_id)
    made = registry.create(
        who(tracking, asked), name, found, description=fields.text("description"), run_link=fields.text("run_link"), tags=tags
    )
    return {"model_version": version_form(made)}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One."""
    return {"model_version": version_form(versions(tracking).get(asked.project, *_place(asked)))}


def update(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Describe it."""
    described = versions(tracking).describe(who(tracking, asked), *_place(asked), asked.fields.text("description"))
    return {"model_version": version_form(described)}


def transition(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Move it to a stage."""
    stage, archive = asked.fields.text("stage", required=True), asked.fields.flag("archive_existing_versions")
    moved = versions(tracking).transition(who(tracking, asked), *_place(asked), stage, archive=archive)
    return {"model_version": version_form(moved)}


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it."""
    versions(tracking).delete(who(tracking, asked), *_place(asked))


def search(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of them."""
    tracking.house.refresh()
    found, token = find_versions(tracking.store, asked.project, search_of(asked))
    return {"model_versions": [version_form(one) for one in found], **({"next_page_token": token} if token else {})}


def download_uri(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Where its files are."""
    found = versions(tracking).get(asked.project, *_place(asked))
    tracking.house.place(found.name, found.number)
    return {"artifact_uri": found.location or found.source}


def set_tag(tracking: Tracking, asked: Asked) -> None:
    """Set a tag."""
    key, value = asked.fields.text("key", required=True), asked.fields.text("value")
    versions(tracking).tag(who(tracking, asked), *_place(asked), key, value)


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    versions(tracking).untag(who(tracking, asked), *_place(asked), asked.fields.text("key", required=True))


_AT = f"{V2}model-versions/"
ENDPOINTS = (
    Endpoint(method="POST", path=f"{_AT}create", handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_AT}get", handler=get, right=Right.VIEW),
    Endpoint(method="PATCH", path=f"{_AT}update", handler=update, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_AT}transition-stage", handler=transition, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_AT}delete", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_AT}search", handler=search, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_AT}get-download-uri", handler=download_uri, right=Right.VIEW),
    Endpoint(method="POST", path=f"{_AT}set-tag", handler=set_tag, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_AT}delete-tag", handler=delete_tag, right=Right.CONTRIBUTE),
)
