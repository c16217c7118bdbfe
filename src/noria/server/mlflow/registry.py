"""Registered models and prompts of the protocol, their tags and aliases; their versions are in `versions`."""

from __future__ import annotations

from typing import Any

from noria.core.errors import Forbidden, NotAllowed
from noria.core.rights import Right
from noria.ledger.models.aliases import Aliases
from noria.ledger.models.finding import Search, find_models
from noria.ledger.models.house import CHAMPION
from noria.ledger.models.models import Models
from noria.ledger.models.rules import check_alias, check_number
from noria.ledger.models.values import Keeper, RegisteredModel, RegisteredVersion, Who
from noria.ledger.models.versions import Versions
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking


def who(tracking: Tracking, asked: Asked) -> Who:
    """Who asks, in which project, when; `reason` is a field of ours, which MLflow's clients leave out."""
    return Who(by=asked.principal.name, at_ms=tracking.now_ms(), project=asked.project, reason=asked.fields.text("reason")[:1_000])


def models(tracking: Tracking) -> Models:
    """The registry, with all that loops registered since the last time."""
    tracking.house.refresh()
    return Models(tracking.store, tracking.ledger)


def versions(tracking: Tracking) -> Versions:
    """As `models`."""
    tracking.house.refresh()
    return Versions(tracking.store, tracking.ledger)


def aliases(tracking: Tracking) -> Aliases:
    """As `models`."""
    tracking.house.refresh()
    return Aliases(tracking.store, tracking.ledger)


def model_form(model: RegisteredModel) -> dict[str, Any]:
    """A `RegisteredModel`."""
    return {
        "name": model.name,
        "creation_timestamp": model.created_ms,
        "last_updated_timestamp": model.updated_ms,
        "user_id": model.by,
        "description": model.description,
        "latest_versions": [version_form(one) for one in model.latest],
        "tags": forms.pairs(model.tags),
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
    }


def version_form(version: RegisteredVersion) -> dict[str, Any]:
    """A `ModelVersion`."""
    return {
        "name": version.name,
        "version": str(version.number),
        "creation_timestamp": version.created_ms,
        "last_updated_timestamp": version.updated_ms,
        "user_id": version.by,
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source,
        "run_id": version.run,
        "run_link": version.run_link,
        "status": "READY",
        "tags": forms.pairs(version.tags),
        "aliases": list(version.aliases),
        **({"model_id": version.model_id} if version.model_id else {}),
    }


def _name(asked: Asked) -> str:
    return asked.fields.text("name", required=True)


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Register a name."""
    tags, description = dict(asked.fields.pairs("tags")), asked.fields.text("description")
    made = models(tracking).create(who(tracking, asked), _name(asked), description=description, tags=tags)
    return {"registered_model": model_form(made)}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One by name."""
    return {"registered_model": model_form(models(tracking).get(asked.project, _name(asked)))}


def rename(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Give it another name."""
    renamed = models(tracking).rename(who(tracking, asked), _name(asked), asked.fields.text("new_name", required=True))
    return {"registered_model": model_form(renamed)}


def update(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Describe it."""
    described = models(tracking).describe(who(tracking, asked), _name(asked), asked.fields.text("description"))
    return {"registered_model": model_form(described)}


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it with its versions."""
    models(tracking).delete(who(tracking, asked), _name(asked))


def search_of(asked: Asked) -> Search:
    """A search's arguments."""
    fields = asked.fields
    return Search(
        filter=fields.text("filter"),
        order=tuple(fields.texts("order_by")),
        size=fields.integer("max_results"),
        token=fields.text("page_token"),
    )


def search(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of them."""
    tracking.house.refresh()
    found, token = find_models(tracking.store, asked.project, search_of(asked))
    return {"registered_models": [model_form(one) for one in found], **({"next_page_token": token} if token else {})}


def latest(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """The newest version of each stage."""
    found = versions(tracking).latest(asked.project, _name(asked), asked.fields.texts("stages"))
    return {"model_versions": [version_form(one) for one in found]}


def set_tag(tracking: Tracking, asked: Asked) -> None:
    """Set a tag."""
    key, value = asked.fields.text("key", required=True), asked.fields.text("value")
    models(tracking).tag(who(tracking, asked), _name(asked), key, value)


def delete_tag(tracking: Tracking, asked: Asked) -> None:
    """Take a tag away."""
    models(tracking).untag(who(tracking, asked), _name(asked), asked.fields.text("key", required=True))


def set_alias(tracking: Tracking, asked: Asked) -> None:
    """Point an alias at a version. `champion` of a loop or a deployment is what answers: moving it is a promotion.

    Raises:
        Forbidden: that is an operator's to do.
    """
    name, alias, version = _name(asked), asked.fields.text("alias", required=True), asked.fields.text("version", required=True)
    if not _of_production(tracking, asked, name, alias):
        aliases(tracking).set(who(tracking, asked), name, alias, version)
        return
    found = versions(tracking).get(asked.project, name, check_number(version))
    if alias in found.aliases:
        return
    told = who(tracking, asked)
    tracking.house.promote(name, found.number, by=told.by, reason=told.reason or f"the alias {alias} was moved by an MLflow client")
    tracking.house.refresh()


def delete_alias(tracking: Tracking, asked: Asked) -> None:
    """Take an alias away.

    Raises:
        NotAllowed: it says what answers.
    """
    name, alias = _name(asked), asked.fields.text("alias", required=True)
    if _of_production(tracking, asked, name, alias):
        raise NotAllowed(
            f"{alias!r} of {name!r} says what answers in production and cannot be taken away here", fix=f"noria undeploy {name}"
        )
    aliases(tracking).drop(who(tracking, asked), name, alias)


def by_alias(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """The version that an alias points to."""
    found = aliases(tracking).version(asked.project, _name(asked), asked.fields.text("alias", required=True))
    return {"model_version": version_form(found)}


def _of_production(tracking: Tracking, asked: Asked, name: str, alias: str) -> bool:
    """Whether an alias is one by which a loop or a deployment knows its versions.

    Raises:
        Forbidden: it is, and the caller is no operator.
        NotAllowed: it is the challenger's, which a rollout alone moves.
    """
    check_alias(alias, reserved=True)
    if alias not in (CHAMPION, "challenger") or models(tracking).get(asked.project, name).keeper is Keeper.CLIENTS:
        return False
    if not asked.principal.may(Right.OPERATE, asked.project):
        raise Forbidden(f"{asked.principal.name or 'nobody'} may not move {alias!r} of {name!r}: it changes what answers in production")
    if alias != CHAMPION:
        raise NotAllowed(f"a rollout of {name!r} moves its {alias!r}", fix="use another alias, or promote the version")
    return True


_AT = f"{V2}registered-models/"
ENDPOINTS = (
    Endpoint(method="POST", path=f"{_AT}create", handler=create, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_AT}get", handler=get, right=Right.VIEW),
    Endpoint(method="POST", path=f"{_AT}rename", handler=rename, right=Right.CONTRIBUTE),
    Endpoint(method="PATCH", path=f"{_AT}update", handler=update, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_AT}delete", handler=delete, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_AT}search", handler=search, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_AT}get-latest-versions", handler=latest, right=Right.VIEW),
    Endpoint(method="POST", path=f"{_AT}get-latest-versions", handler=latest, right=Right.VIEW),
    Endpoint(method="POST", path=f"{_AT}set-tag", handler=set_tag, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_AT}delete-tag", handler=delete_tag, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{_AT}alias", handler=set_alias, right=Right.CONTRIBUTE),
    Endpoint(method="DELETE", path=f"{_AT}alias", handler=delete_alias, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{_AT}alias", handler=by_alias, right=Right.VIEW),
)
