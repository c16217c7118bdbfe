"""Loops, their turns, versions and rollouts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from noria.core.rights import Right
from noria.server.api.answers import ERRORS, answer
from noria.server.reads import Reads
from noria.server.rights import needs

Limit = Annotated[int, Query(ge=1, le=200, description="At most so many, newest first.")]


def loops_router(reads: Reads) -> APIRouter:
    """Routes that tell where each loop stands and how it came there."""
    router = APIRouter(tags=["loops"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/loops", summary="All loops")
    def loops() -> JSONResponse:
        return answer({"loops": reads.loops()})

    @router.get("/loops/{name}", summary="One loop")
    def loop(name: str) -> JSONResponse:
        return answer(reads.loop(name))

    @router.get("/loops/{name}/turns", summary="A loop's turns")
    def turns(name: str, limit: Limit = 50) -> JSONResponse:
        reads.loop(name)
        return answer({"turns": reads.turns(name, limit=limit)})

    @router.get("/turns/{id}", summary="One turn with its steps")
    def turn(id: str) -> JSONResponse:
        return answer({"turn": reads.turn(id), "steps": reads.steps(id)})

    @router.get("/loops/{name}/versions", summary="A loop's model versions")
    def versions(name: str, limit: Limit = 50) -> JSONResponse:
        reads.loop(name)
        return answer({"versions": reads.versions(name, limit=limit)})

    @router.get("/versions/{model}/{number}", summary="One model version with its scorecard and verdict")
    def version(model: str, number: int) -> JSONResponse:
        return answer(reads.version(model, number))

    @router.get("/loops/{name}/rollouts", summary="A loop's rollouts")
    def rollouts(name: str, limit: Limit = 20) -> JSONResponse:
        reads.loop(name)
        return answer({"rollouts": reads.rollouts(name, limit=limit)})

    @router.get("/loops/{name}/aliases", summary="The history of a model's aliases")
    def aliases(name: str, limit: Limit = 50) -> JSONResponse:
        reads.loop(name)
        return answer({"moves": reads.alias_moves(name, limit=limit)})

    return router
