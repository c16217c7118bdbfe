"""Anomalous requests: the queue, one of them opened, and what a person decides."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from noria.core.rights import Right
from noria.server.api.answers import ERRORS, VERB_ERRORS, answer
from noria.server.api.verbs import Order
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many, the newest.")]


class DecisionOrder(Order):
    """What a person thinks of an anomalous request."""

    state: Literal["seen", "dismissed"]


def anomalies_router(services: Services, reads: Reads) -> APIRouter:
    """Routes that list anomalous requests, open one, and take a decision on it (which asks for the token)."""
    router = APIRouter(tags=["anomalies"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/anomalies", summary="Requests that are far from all that was trained on")
    def anomalies(loop: str = "", state: Literal["", "open", "seen", "dismissed"] = "", limit: Limit = 100) -> JSONResponse:
        return answer({"anomalies": [{"id": one.id, "request": one} for one in reads.anomalies(loop, state=state, limit=limit)]})

    @router.get("/anomalies/{id}", summary="One of them, with inputs, reasons and the nearest rows")
    def anomaly(id: str) -> JSONResponse:
        found = reads.anomaly(id)
        return answer({"id": found.id, "request": found})

    @router.post(
        "/anomalies/{id}/decide",
        summary="Say that it was seen, or that it is nothing",
        responses=VERB_ERRORS,
        dependencies=[needs(Right.CONTRIBUTE)],
    )
    def decide(id: str, order: DecisionOrder) -> JSONResponse:
        services.decide_anomaly(id, order.state, by=order.by, reason=order.reason)
        return answer({"id": id, "state": order.state})

    return router
