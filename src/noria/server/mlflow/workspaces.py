"""Projects, as MLflow's clients know them: workspaces."""

from __future__ import annotations

from typing import Any

import orjson

from noria.core.errors import NotFound, RequestInvalid
from noria.core.projects import Project
from noria.core.rights import Right
from noria.ledger.projects import Projects
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import V3, Endpoint, Said, Tracking


def projects(tracking: Tracking) -> Projects:
    """The projects of this server."""
    return Projects(tracking.store, tracking.ledger, tracking.wall)


def listed(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Those that the caller may look into."""
    return {"workspaces": [form(one) for one in projects(tracking).all() if asked.principal.may(Right.VIEW, one.name)]}


def create(tracking: Tracking, asked: Asked) -> Said:
    """Make one."""
    _check(asked)
    name, description = asked.fields.text("name", required=True), asked.fields.text("description")
    made = projects(tracking).add(name, description=description, by=asked.principal.name)
    return Said(body=orjson.dumps({"workspace": form(made)}), status=201)


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One; of those that the caller may not look into it is not told that they are there."""
    name = asked.names["workspace_name"]
    if not asked.principal.may(Right.VIEW, name):
        raise NotFound(f"Workspace '{name[:80]}' not found")
    return {"workspace": form(projects(tracking).get(name))}


def update(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Describe it anew."""
    _check(asked)
    name = asked.names["workspace_name"]
    if asked.fields.values.get("description") is None:
        return {"workspace": form(projects(tracking).get(name))}
    changed = projects(tracking).describe(name, asked.fields.text("description"), by=asked.principal.name)
    return {"workspace": form(changed)}


def delete(tracking: Tracking, asked: Asked) -> Said:
    """Take it away, when nothing is in it."""
    mode = asked.fields.text("mode", "RESTRICT")
    if mode.upper() != "RESTRICT":
        raise RequestInvalid(f"Invalid value {mode[:40]!r} for parameter 'mode': only what is empty is deleted here (RESTRICT)")
    projects(tracking).remove(asked.names["workspace_name"], by=asked.principal.name)
    return Said(body=b"", status=204)


def form(project: Project) -> dict[str, Any]:
    """A `Workspace`."""
    return {"name": project.name, "description": project.description}


def _check(asked: Asked) -> None:
    for name in ("default_artifact_root", "trace_archival_config"):
        if asked.fields.values.get(name):
            raise RequestInvalid(f"Invalid value for parameter '{name}': files of every project lie in this server's own store")


_ONE = f"{V3}workspaces/{{workspace_name}}"
ENDPOINTS = (
    Endpoint(method="GET", path=f"{V3}workspaces", handler=listed, right=Right.VIEW, house=True),
    Endpoint(method="POST", path=f"{V3}workspaces", handler=create, right=Right.ADMIN, house=True),
    Endpoint(method="GET", path=_ONE, handler=get, right=Right.VIEW, house=True),
    Endpoint(method="PATCH", path=_ONE, handler=update, right=Right.ADMIN, house=True),
    Endpoint(method="DELETE", path=_ONE, handler=delete, right=Right.ADMIN, house=True),
)
