"""The pages of what was in production and of what came from where."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from noria.core.errors import RequestInvalid
from noria.core.moments import aware
from noria.ledger.production import in_production
from noria.server.page.lineage import drawn
from noria.server.page.render import Pages
from noria.server.services import Services


def registry_pages(router: APIRouter, pages: Pages, services: Services) -> None:
    """Add the pages to the router."""

    @router.get("/production")
    def production(request: Request, as_of: str = "") -> Response:
        at = _moment(as_of) or services.clock.now()
        found = in_production(services.records, at)
        return pages.page(request, "production.html", at=at, as_of=as_of, found=found)

    @router.get("/lineage")
    def lineage(request: Request, of: str = "", way: Literal["both", "up", "down"] = "both", features: str = "") -> Response:
        found = services.lineage(of[:500], up=way != "down", down=way != "up", features=bool(features)) if of.strip() else None
        seen = drawn(found) if found else None
        return pages.page(request, "lineage.html", of=of, way=way, features=bool(features), found=found, drawn=seen)


def _moment(text: str) -> datetime | None:
    try:
        return aware(datetime.fromisoformat(text)) if text else None
    except ValueError as error:
        raise RequestInvalid(f"{text[:40]!r} is no date", fix="write for example 2026-01-05T10:00") from error
