"""Webhooks of the registry: made, read, changed, tried out and deleted. Their secrets are never told."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from noria.core.errors import NotAllowed
from noria.core.rights import Right
from noria.ledger.models.telling import spoken
from noria.ledger.models.webhooks import Webhook, Webhooks
from noria.ledger.searching.pages import after_token, page_size, page_token, query_mark
from noria.server.mlflow.asked import Asked, Fields
from noria.server.mlflow.endpoints import V2, Endpoint, Tracking
from noria.server.mlflow.registry import who

if TYPE_CHECKING:
    from noria.loop.hooks import Hooks

USUAL, MOST = 100, 1_000
_EXAMPLE = {"name": "example_model", "version": "1", "key": "example_key", "value": "example_value", "alias": "example_alias"}
_PARTS = {
    "created": {"version": ("name", "version"), "alias": ("name", "alias", "version"), "": ("name",)},
    "set": {"version_tag": ("name", "version", "key", "value"), "": ("name", "key", "value")},
    "deleted": {"version_tag": ("name", "version", "key"), "alias": ("name", "alias"), "": ("name", "key")},
}


def form(webhook: Webhook) -> dict[str, Any]:
    """A `Webhook`."""
    return {
        "webhook_id": webhook.id,
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [{"entity": entity.upper(), "action": action.upper()} for entity, action in webhook.events],
        "status": webhook.status,
        "creation_timestamp": webhook.created_ms,
        "last_updated_timestamp": webhook.updated_ms,
    }


def create(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Make one."""
    fields = asked.fields
    name, url = fields.text("name", required=True), fields.text("url", required=True)
    events = [_event(one) for one in fields.items("events")]
    _hooks(tracking).check(url)
    made = Webhooks(tracking.store).create(
        who(tracking, asked),
        name,
        url,
        events,
        description=fields.text("description"),
        secret=fields.text("secret"),
        status=fields.text("status"),
    )
    return {"webhook": form(made)}


def listed(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One page of them, newest first."""
    size = page_size(asked.fields.integer("max_results"), usual=USUAL, most=MOST)
    mark = query_mark(asked.project, "webhooks")
    after = after_token(asked.fields.text("page_token"), mark, marks=2)
    beyond = (int(after[0] or 0), str(after[1])) if after else None
    found = Webhooks(tracking.store).all(asked.project, after=beyond, size=size + 1)
    token = page_token(mark, (found[size - 1].created_ms, found[size - 1].id)) if len(found) > size else ""
    return {"webhooks": [form(one) for one in found[:size]], **({"next_page_token": token} if token else {})}


def get(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """One."""
    return {"webhook": form(Webhooks(tracking.store).get(asked.project, asked.names["id"]))}


def update(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Change what is given."""
    fields = asked.fields
    changes = {key: fields.text(key) for key in ("name", "url", "status") if fields.values.get(key)}
    changes |= {key: fields.text(key) for key in ("description", "secret") if fields.values.get(key) is not None}
    events = [_event(one) for one in fields.items("events")] or None
    if "url" in changes:
        _hooks(tracking).check(changes["url"])
    changed = Webhooks(tracking.store).change(who(tracking, asked), asked.names["id"], events=events, **changes)
    return {"webhook": form(changed)}


def delete(tracking: Tracking, asked: Asked) -> None:
    """Delete it."""
    Webhooks(tracking.store).delete(who(tracking, asked), asked.names["id"])


def try_out(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Send an example, and say what came of it."""
    found = Webhooks(tracking.store).get(asked.project, asked.names["id"])
    wanted = asked.fields.one("event")
    entity, action = _event(wanted) if wanted.values else found.events[0]
    body = spoken(entity, action, _example(entity, action), at_ms=tracking.now_ms(), project=asked.project)
    told, status = _hooks(tracking).try_out(found, body, str(uuid.uuid4()))
    result: dict[str, Any] = {"success": told.arrived}
    if status is not None:
        return {"result": {**result, "response_status": status, "response_body": told.said}}
    return {"result": {**result, "error_message": f"Failed to test webhook: {told.said}"}}


def _event(given: Fields) -> tuple[str, str]:
    return given.text("entity", required=True).lower(), given.text("action", required=True).lower()


def _example(entity: str, action: str) -> dict[str, str]:
    kinds = _PARTS[action]
    keys = next(keys for ending, keys in kinds.items() if entity.endswith(ending))
    return {key: _EXAMPLE[key] for key in keys}


def _hooks(tracking: Tracking) -> Hooks:
    if tracking.hooks is None:
        raise NotAllowed("this server delivers no webhooks")
    return tracking.hooks


_AT = f"{V2}webhooks"
ENDPOINTS = (
    Endpoint(method="POST", path=_AT, handler=create, right=Right.ADMIN),
    Endpoint(method="GET", path=_AT, handler=listed, right=Right.ADMIN),
    Endpoint(method="GET", path=f"{_AT}/{{id}}", handler=get, right=Right.ADMIN),
    Endpoint(method="PATCH", path=f"{_AT}/{{id}}", handler=update, right=Right.ADMIN),
    Endpoint(method="DELETE", path=f"{_AT}/{{id}}", handler=delete, right=Right.ADMIN),
    Endpoint(method="POST", path=f"{_AT}/{{id}}/test", handler=try_out, right=Right.ADMIN),
)
