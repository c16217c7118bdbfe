"""The pages of incidents: the list with what each loop may tell, and one with its evidence and orders."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from noria.server.alerting import story, telling
from noria.server.page.render import Pages
from noria.server.reads import Reads
from noria.server.services import Services


def incident_pages(router: APIRouter, pages: Pages, services: Services, reads: Reads) -> None:
    """Add the pages to the router."""

    @router.get("/incidents")
    def incidents(request: Request) -> Response:
        found = reads.incidents()
        ranked = sorted(found, key=lambda one: (one.closed_at is not None, -one.rank if one.closed_at is None else 0))
        now = services.clock.now()
        told = [telling(reads, loop.name, now) for loop in reads.loops()]
        return pages.page(request, "incidents.html", incidents=ranked, told=told)

    @router.get("/incidents/{id}")
    def incident(request: Request, id: str) -> Response:
        found = story(reads, services, id)
        subjects = [(monitor, subject) for monitor, _, subject in (name.partition(":") for name in found.incident.subjects)]
        newest = {":".join(one): reads.newest_reading(found.incident.loop, *one) for one in subjects[:12]}
        return pages.page(request, "incident.html", story=found, subjects=subjects, newest=newest)
