"""Who may call a deployment: its keys, without their secrets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from noria.core.errors import RequestInvalid
from noria.core.moments import duration
from noria.core.rights import Right
from noria.server.api.answers import VERB_ERRORS, answer
from noria.server.api.verbs import Order
from noria.server.rights import needs
from noria.server.services import Services


class KeyOrder(Order):
    """How long a key shall last, and whose it is."""

    expires: Annotated[str, Field(max_length=20, description="90d, 12h …, in event time; without end when left out.")] = ""
    note: Annotated[str, Field(max_length=200, description="Whose it is, or what for.")] = ""


def keys_router(services: Services) -> APIRouter:
    """Routes about keys; all of them ask for the token."""
    router = APIRouter(tags=["keys"], responses=VERB_ERRORS, dependencies=[needs(Right.ADMIN)])

    @router.get("/keys", summary="Keys with their state and last use, of one deployment or of all")
    def listed(deployment: str = "") -> JSONResponse:
        return answer({"keys": services.keys.all(deployment)})

    @router.post("/deployments/{name}/keys", summary="Make a key; it is shown this once", status_code=201)
    def add(name: str, order: KeyOrder) -> JSONResponse:
        try:
            lasts = duration(order.expires) if order.expires else None
        except ValueError as error:
            raise RequestInvalid(str(error), fields={"expires": "write for example 90d"}) from error
        secret, made = services.keys.add(name, lasts=lasts, note=order.note, by=order.by)
        told = answer({"key": secret, "id": made.id, "deployment": name, "expires_at": made.expires_at})
        told.status_code = 201
        told.headers["Cache-Control"] = "no-store"
        return told

    @router.post("/keys/{id}/revoke", summary="End a key now")
    def revoke(id: str, order: Order) -> JSONResponse:
        return answer(services.keys.revoke(id, by=order.by, because=order.reason))

    @router.post("/deployments/{name}/open", summary="Ask for no key any more: all are revoked")
    def open(name: str, order: Order) -> JSONResponse:
        return answer({"deployment": name, "revoked": services.keys.open(name, by=order.by, because=order.reason)})

    return router
