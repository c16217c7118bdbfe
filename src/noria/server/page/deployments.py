"""The pages of deployments without a loop: the list, and one with its versions and what flowed through it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from noria.core.state import LoopState
from noria.server.page.render import Pages
from noria.server.reads import Reads

LISTED = 100


def deployment_pages(router: APIRouter, pages: Pages, reads: Reads) -> None:
    """Add the pages to the router."""

    @router.get("/deployments")
    def deployments(request: Request, after: str = "") -> Response:
        found = reads.deployments(after=after, limit=LISTED)
        beyond = found[-1].name if len(found) == LISTED else ""
        return pages.page(request, "deployments.html", found=found, after=after, beyond=beyond)

    @router.get("/deployments/{name}")
    def deployment(request: Request, name: str) -> Response:
        found = reads.deployment(name)
        versions, moves = reads.versions(name), reads.alias_moves(name)
        answering = next((version for version in versions if version.number == found.version), None)
        traffic = reads.traffic(name, limit=144)
        return pages.page(
            request,
            "alone.html",
            found=found,
            versions=versions,
            moves=moves,
            running=next((one for one in reads.rollouts(name, limit=1) if one.ended_at is None), None),
            members=[(one, "loops" if reads.get(LoopState, one) else "deployments") for one in found.members],
            answering=answering,
            traffic=traffic,
            events=reads.events(loop=name, limit=6),
        )
