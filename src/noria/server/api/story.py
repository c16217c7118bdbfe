"""The ledger: events with filters and paging, and the chain of reasons behind one of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from noria.core.rights import Right
from noria.server.api.answers import ERRORS, answer
from noria.server.reads import Reads
from noria.server.rights import needs

Limit = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
Position = Annotated[int, Query(ge=0, description="Go on from `next` of the page before; 0 begins.")]


def story_router(reads: Reads) -> APIRouter:
    """Routes that tell what happened and why."""
    router = APIRouter(tags=["ledger"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/events", summary="Lines of the ledger")
    def events(
        loop: str = "",
        kind: str = "",
        subject: str = "",
        turn: str = "",
        limit: Limit = 100,
        after: Position = 0,
        newest_first: bool = True,
    ) -> JSONResponse:
        page = reads.events(after=after, limit=limit, newest_first=newest_first, loop=loop, kind=kind, subject=subject, turn=turn)
        on = page[-1].position if len(page) == limit else None
        return answer({"events": [placed.event for placed in page], "next": on})

    @router.get("/why/{loop}", summary="Why: the newest decision, or any event, with all that led to it")
    def why(loop: str, event: str = "") -> JSONResponse:
        chosen = event or reads.newest_decision(reads.loop(loop))
        return answer({"loop": loop, "event": chosen, "chain": reads.chain(chosen) if chosen else []})

    return router
