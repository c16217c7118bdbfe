"""What is, or was, in production, and what came from where."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from noria.core.errors import NotFound
from noria.core.moments import aware
from noria.core.rights import Right
from noria.ledger.production import history, in_production, pointed_at
from noria.server.api.answers import ERRORS, answer
from noria.server.rights import needs
from noria.server.services import Services

AsOf = Annotated[datetime | None, Query(description="Event time, ISO 8601, UTC where no zone is named; now when left out.")]
MOVES = 1_000


def production_router(services: Services) -> APIRouter:
    """Routes that tell what answered at a moment."""
    router = APIRouter(tags=["registry"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/production", summary="What was in production at a moment: each model's version, since when, by whom and why")
    def production(as_of: AsOf = None, model: str = "") -> JSONResponse:
        at = aware(as_of) or services.clock.now()
        return answer({"as_of": at, "production": in_production(services.records, at, model)})

    @router.get("/models/{model}/aliases", summary="Where a model's aliases pointed at a moment, and every move until then")
    def aliases(model: str, as_of: AsOf = None) -> JSONResponse:
        at = aware(as_of) or services.clock.now()
        moves = history(services.records, model)
        if not moves:
            raise NotFound(f"no alias of {model[:100]!r} ever moved", fix="/api/v1/production lists models")
        until = [move for move in moves if move.at <= at]
        return answer({"model": model, "as_of": at, "aliases": pointed_at(until, at), "moves": until[-MOVES:]})

    return router
