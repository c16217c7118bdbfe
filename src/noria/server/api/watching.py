"""Incidents, readings and traffic: what the monitors saw."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from noria.core.errors import RequestInvalid
from noria.core.moments import aware, duration
from noria.core.rights import Right
from noria.server.api.answers import ERRORS, answer
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many, the newest.")]
Since = Annotated[datetime | None, Query(description="Event time, ISO 8601.")]


def watching_router(reads: Reads, services: Services) -> APIRouter:
    """Routes that tell what was measured and what was alerted."""
    router = APIRouter(tags=["watching"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/incidents", summary="Incidents")
    def incidents(loop: str = "", state: Literal["", "open", "closed"] = "", limit: Limit = 100) -> JSONResponse:
        return answer({"incidents": reads.incidents(loop, state=state, limit=limit)})

    @router.get("/incidents/{id}", summary="One incident")
    def incident(id: str) -> JSONResponse:
        return answer(reads.incident(id))

    @router.get("/monitors", summary="Where each monitor stands")
    def monitors(loop: str) -> JSONResponse:
        reads.loop(loop)
        return answer({"monitors": reads.monitors(loop)})

    @router.get("/readings", summary="Readings of monitors")
    def readings(loop: str, monitor: str = "", subject: str = "", since: Since = None, limit: Limit = 400) -> JSONResponse:
        reads.loop(loop)
        return answer({"readings": reads.readings(loop, monitor, subject, since=aware(since), limit=limit)})

    @router.get("/traffic", summary="What flowed through a deployment")
    def traffic(loop: str, since: Since = None, limit: Limit = 400) -> JSONResponse:
        reads.loop(loop)
        return answer({"traffic": reads.traffic(loop, since=aware(since), limit=limit)})

    @router.get("/quality", summary="Realised quality, as it was known at a moment")
    def quality(loop: str, as_of: Since = None, metric: str = "", window: str = "7d", version: int | None = None) -> JSONResponse:
        reads.loop(loop)
        try:
            span = duration(window)
        except ValueError as error:
            raise RequestInvalid(str(error), fields={"window": str(error)}) from error
        return answer(services.quality(loop, as_of=aware(as_of), metric=metric, window=span, version=version))

    return router
