"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from noria.core.rights import Right
from noria.server.rights import needs
from noria.server.services import Services


def health_router(services: Services) -> APIRouter:
    """`/health/live` answers while the process runs; `/health/ready` only while the records can be read."""
    router = APIRouter(prefix="/health", tags=["health"], dependencies=[needs(Right.NONE)])

    @router.get("/live", summary="The process runs")
    async def live() -> JSONResponse:
        return JSONResponse({"live": True})

    @router.get("/ready", summary="The records can be read")
    def ready() -> JSONResponse:
        try:
            services.records.find("loop", limit=1)
        except Exception as error:  # noqa: BLE001 - whatever the store raises is the answer
            return JSONResponse({"ready": False, "because": str(error)[:300]}, status_code=503)
        return JSONResponse({"ready": True})

    return router
