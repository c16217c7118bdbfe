"""The pages of anomalous requests: the queue, and one of them opened."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from noria.server.page.render import Pages
from noria.server.reads import Reads

SHOWN = 100
State = Annotated[str, Query(pattern="^(open|seen|dismissed|all)$")]


def anomaly_pages(router: APIRouter, pages: Pages, reads: Reads) -> None:
    """Add `/anomalies` and `/anomalies/{id}`."""

    @router.get("/anomalies")
    def queue(request: Request, loop: str = "", state: State = "open") -> Response:
        found = reads.anomalies(loop, state="" if state == "all" else state, limit=SHOWN)
        return pages.page(request, "anomalies.html", found=found, chosen_loop=loop, chosen_state=state)

    @router.get("/anomalies/{id}")
    def opened(request: Request, id: str) -> Response:
        found = reads.anomaly(id)
        rows = (found.features, *(one.features for one in found.neighbours))
        numeric = {name for name in found.features if all(_countable(row.get(name)) for row in rows)}
        return pages.page(request, "anomaly.html", found=found, names=list(found.features), numeric=numeric)


def _countable(value: object) -> bool:
    """Whether a value may stand in a column of numbers: a number, or nothing."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
