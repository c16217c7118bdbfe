"""The verbs: everything that changes something, each behind the token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from noria.core.rights import Right
from noria.server.api.answers import VERB_ERRORS, answer
from noria.server.rights import needs, said_by
from noria.server.services import Services

Person = Annotated[
    str,
    Field(
        min_length=1, max_length=100, validate_default=True, description="Who asks; kept in the ledger. Counts only with the home's token."
    ),
    AfterValidator(said_by),
]
Reason = Annotated[str, Field(max_length=1_000, description="Why, in a sentence; kept in the ledger.")]


class Order(BaseModel):
    """Who asks for something, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Person = "somebody with the token"
    reason: Reason = ""


class ApprovalOrder(Order):
    """A person's decision on a turn that waits for one."""

    granted: bool


class PromoteOrder(Order):
    """The version to make champion."""

    version: Annotated[int, Field(ge=1)]


class PauseOrder(Order):
    """Whether automatic turns are to stop (true) or go on (false)."""

    paused: bool


class SettleOrder(BaseModel):
    """Until when, in event time, and how long to wait for it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    at_ms: Annotated[int, Field(ge=0)]
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0


def verbs_router(services: Services) -> APIRouter:
    """Routes that change something."""
    router = APIRouter(tags=["verbs"], responses=VERB_ERRORS, dependencies=[needs(Right.OPERATE)])
    deciding = APIRouter(tags=["verbs"], responses=VERB_ERRORS, dependencies=[needs(Right.APPROVE)])

    @router.post("/loops/{name}/turn", summary="Ask for a turn by hand; answers with the signal that starts it", status_code=202)
    def turn(name: str, order: Order) -> JSONResponse:
        started = answer({"signal": services.turn(name, by=order.by, reason=order.reason)})
        started.status_code = 202
        return started

    @deciding.post("/turns/{id}/approve", summary="Grant or refuse what a turn waits for")
    def approve(id: str, order: ApprovalOrder) -> JSONResponse:
        services.approve(id, granted=order.granted, by=order.by, reason=order.reason)
        return answer({"turn": id, "granted": order.granted})

    @router.post("/loops/{name}/promote", summary="Make a version the champion")
    def promote(name: str, order: PromoteOrder) -> JSONResponse:
        services.promote(name, order.version, by=order.by, reason=order.reason)
        return answer({"loop": name, "champion": order.version})

    @router.post("/loops/{name}/rollback", summary="Go back to the version before")
    def rollback(name: str, order: Order) -> JSONResponse:
        services.rollback(name, by=order.by, reason=order.reason)
        return answer({"loop": name, "rolled_back": True})

    @router.post("/loops/{name}/kill", summary="Take a version out at once, and let no other in until the loop is resumed")
    def kill(name: str, order: Order) -> JSONResponse:
        return answer({"loop": name, "champion": services.kill(name, by=order.by, reason=order.reason), "held": True})

    @router.post("/loops/{name}/pause", summary="Stop or resume automatic turns")
    def pause(name: str, order: PauseOrder) -> JSONResponse:
        services.pause(name, order.paused, by=order.by, reason=order.reason)
        return answer({"loop": name, "paused": order.paused})

    @router.post("/settle", summary="Wait until all that is due by an event time has been worked off")
    def settle(order: SettleOrder) -> JSONResponse:
        return answer({"settled": services.settle(order.at_ms, order.timeout_s)})

    both = APIRouter()
    both.include_router(router)
    both.include_router(deciding)
    return both
