"""Alerts: what was told to whom, what people thought of it, and the orders about it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from noria.core.alerting import Tuning
from noria.core.errors import RequestInvalid
from noria.core.moments import duration
from noria.core.notices import Delivery
from noria.core.rights import Right
from noria.server.alerting import silences, story, telling
from noria.server.api.answers import ERRORS, VERB_ERRORS, answer
from noria.server.api.verbs import Order
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many, the newest.")]
Name = Annotated[str, Field(max_length=200)]


class OpinionOrder(Order):
    """Whether an incident was worth it."""

    useful: bool


class SilenceOrder(Order):
    """Which monitors are to be silent, and how long."""

    length: Annotated[str, Field(max_length=20, description="2h, 1d …, in event time.")]
    monitor: Name = ""
    subject: Name = ""


def alerting_router(services: Services, reads: Reads) -> APIRouter:
    """Routes that tell what people were told."""
    router = APIRouter(tags=["alerts"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/alerts/{loop}", summary="What a loop has told and may still tell")
    def alerts(loop: str) -> JSONResponse:
        return answer(telling(reads, reads.loop(loop).name, services.clock.now()))

    @router.get("/incidents/{id}/story", summary="An incident with events, deliveries, opinions and proposed limits")
    def whole(id: str) -> JSONResponse:
        return answer(story(reads, services, id))

    @router.get("/silences", summary="Silences in force")
    def silent(loop: str = "") -> JSONResponse:
        return answer({"silences": silences(reads, loop, services.clock.now())})

    @router.get("/tunings", summary="Limits that people's opinions speak for, and how often each monitor was right")
    def tunings(loop: str) -> JSONResponse:
        reads.loop(loop)
        return answer({"monitors": services.alerts.record(loop), "tunings": reads.find(Tuning, loop=loop)})

    @router.get("/deliveries", summary="Notices on their way to channels")
    def deliveries(loop: str = "", state: Literal["", "waiting", "delivered", "undelivered"] = "", limit: Limit = 100) -> JSONResponse:
        return answer({"deliveries": reads.find(Delivery, loop=loop, state=state, limit=limit, newest_first=True)})

    return router


def alert_verbs_router(services: Services) -> APIRouter:
    """Routes that order something about alerts; all of them ask for the token."""
    router = APIRouter(tags=["alerts"], responses=VERB_ERRORS, dependencies=[needs(Right.OPERATE)])

    @router.post("/incidents/{id}/opinion", summary="Say whether an incident was useful; answers with what is now proposed")
    def opinion(id: str, order: OpinionOrder) -> JSONResponse:
        proposed = services.alerts.judge(id, useful=order.useful, by=order.by, because=order.reason)
        return answer({"incident": id, "useful": order.useful, "proposed": proposed})

    @router.post("/incidents/{id}/acknowledge", summary="Say that somebody looks at it")
    def acknowledge(id: str, order: Order) -> JSONResponse:
        return answer(services.alerts.acknowledge(id, by=order.by, because=order.reason))

    @router.post("/incidents/{id}/close", summary="End an incident by hand")
    def close(id: str, order: Order) -> JSONResponse:
        return answer(services.alerts.close(id, by=order.by, because=order.reason))

    @router.post("/loops/{name}/silences", summary="Let monitors page nobody for a while", status_code=201)
    def silence(name: str, order: SilenceOrder) -> JSONResponse:
        try:
            length = duration(order.length)
        except ValueError as error:
            raise RequestInvalid(str(error), fields={"length": "write for example 2h"}) from error
        made = services.alerts.silence(name, length, monitor=order.monitor, subject=order.subject, by=order.by, because=order.reason)
        told = answer(made)
        told.status_code = 201
        return told

    @router.post("/silences/{id}/end", summary="End a silence now")
    def end(id: str, order: Order) -> JSONResponse:
        return answer(services.alerts.end_silence(id, by=order.by, because=order.reason))

    @router.post("/tunings/{id}/{state}", summary="Apply or dismiss a proposed limit, or end an applied one")
    def tune(id: str, state: Literal["applied", "dismissed", "ended"], order: Order) -> JSONResponse:
        return answer(services.alerts.tune(id, state, by=order.by, because=order.reason))

    @router.post("/loops/{name}/fire-drill", summary="Send an alert that is none, to see that it reaches people", status_code=202)
    def fire_drill(name: str, order: Order) -> JSONResponse:
        told = answer(services.alerts.fire_drill(name, by=order.by, because=order.reason))
        told.status_code = 202
        return told

    return router
