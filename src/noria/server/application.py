"""Builds the API and the pages from their services."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from noria.core.rights import Right
from noria.server.api.access import tokens_router, users_router
from noria.server.api.alerting import alert_verbs_router, alerting_router
from noria.server.api.anomalies import anomalies_router
from noria.server.api.deployments import deploy_router, deployments_router
from noria.server.api.keys import keys_router
from noria.server.api.lineage import lineage_router
from noria.server.api.loops import loops_router
from noria.server.api.production import production_router
from noria.server.api.requests import requests_router
from noria.server.api.story import story_router
from noria.server.api.verbs import verbs_router
from noria.server.api.watching import watching_router
from noria.server.called import LOOPBACK_HOSTS
from noria.server.door import Door
from noria.server.errors import handle_errors
from noria.server.guard import Guard
from noria.server.health import health_router
from noria.server.metrics import metrics_router
from noria.server.page.routes import page_router
from noria.server.reads import Reads
from noria.server.recording import Recorded
from noria.server.rights import needs
from noria.server.services import Services


def create_app(services: Services, *, hosts: Sequence[str] | None = LOOPBACK_HOSTS, door: Door | None = None) -> FastAPI:
    """The API under /api/v1, health, metrics and the pages.

    Args:
        services: What to read from and the verbs, see `Services`.
        hosts: Host names to answer for, without port; None for any (when bound beyond loopback, behind a proxy).
        door: Who may come in; when left out, everybody of this machine until there is a user.
    """
    reads = Reads(services.records, services.ledger)
    app = FastAPI(
        title="Noria",
        summary="Keeps a machine-learning model good in production.",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.door = door or Door(services.access, token=services.token, asks=False, hint=services.token_hint)
    app.add_middleware(Recorded, audit=services.access.audit)
    app.add_middleware(Guard, hosts=hosts)
    handle_errors(app)
    api = APIRouter(prefix="/api/v1")

    @api.get("/openapi.json", include_in_schema=False, dependencies=[needs(Right.NONE)])
    async def described() -> JSONResponse:
        return JSONResponse(app.openapi())

    for router in (
        loops_router(reads),
        deployments_router(reads),
        deploy_router(services),
        watching_router(reads, services),
        story_router(reads),
        verbs_router(services),
        alerting_router(services, reads),
        alert_verbs_router(services),
        requests_router(services, reads),
        anomalies_router(services, reads),
        keys_router(services),
        production_router(services),
        lineage_router(services),
        users_router(app.state.door),
        tokens_router(app.state.door),
    ):
        api.include_router(router)
    for router in (api, health_router(services), metrics_router(services, reads), page_router(services, reads, app.state.door)):
        app.include_router(router)
    return app
