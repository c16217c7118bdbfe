"""Lineage: what came from what, and the door for OpenLineage events of other systems."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.documents import Documents
from noria.ledger.lineage.upstream import MOST_EVENTS, take
from noria.server.api.answers import ERRORS, VERB_ERRORS, answer
from noria.server.rights import needs
from noria.server.services import Services

Of = Annotated[
    str, Query(min_length=1, max_length=500, description="A dataset, digest, view, feature, turn, run, version, deployment, request id …")
]
Way = Annotated[Literal["both", "up", "down"], Query(description="Up: what it came from. Down: what came of it.")]
UNPACKED_LIMIT_BYTES = 8 * 1024 * 1024


def lineage_router(services: Services) -> APIRouter:
    """Routes that tell lineage, and take it."""
    router = APIRouter(tags=["lineage"], responses=ERRORS, dependencies=[needs(Right.VIEW)])
    documents = Documents(services.records)

    @router.get("/lineage", summary="What a thing came from, and what came of it")
    def lineage(of: Of, way: Way = "both", features: bool = False) -> JSONResponse:
        return answer(services.lineage(of, up=way != "down", down=way != "up", features=features))

    @router.post(
        "/lineage",
        summary="Take OpenLineage events: one, or a list",
        status_code=201,
        responses=VERB_ERRORS,
        dependencies=[needs(Right.CONTRIBUTE)],
    )
    async def told(request: Request) -> JSONResponse:
        return await _taken(request)

    @router.post(
        "/lineage/batch",
        summary="Take a list of OpenLineage events",
        status_code=201,
        responses=VERB_ERRORS,
        dependencies=[needs(Right.CONTRIBUTE)],
    )
    async def told_many(request: Request) -> JSONResponse:
        return await _taken(request)

    async def _taken(request: Request) -> JSONResponse:
        events = _events(await request.body(), request.headers.get("content-encoding", ""))
        kept = await run_in_threadpool(lambda: [take(documents, event, by="openlineage") for event in events])
        return JSONResponse(
            {"status": "success", "summary": {"received": len(kept), "successful": len(kept), "kept": sum(kept)}}, status_code=201
        )

    return router


def _events(body: bytes, encoding: str) -> list[Any]:
    try:
        found = json.loads(_unpacked(body) if encoding.lower() == "gzip" else body)
    except ValueError as error:
        raise RequestInvalid(f"the body is no JSON, or larger than is taken: {error}") from error
    events = found if isinstance(found, list) else [found]
    if len(events) > MOST_EVENTS:
        raise RequestInvalid(f"{len(events):,} events in one call", fix=f"send at most {MOST_EVENTS:,} at once")
    return events


def _unpacked(body: bytes) -> bytes:
    """Raises ValueError for what is no gzip, or unpacks to more than is taken."""
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = reader.decompress(body, UNPACKED_LIMIT_BYTES)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(str(error)) from error
    if reader.unconsumed_tail:
        raise ValueError("too large")
    return content
