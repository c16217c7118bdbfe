"""One logged request, opened: what was asked, why it was answered so, and what would have changed the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from noria.core.explaining import Constraints, Search
from noria.core.rights import Right
from noria.server.api.answers import ERRORS, answer
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

Names = Annotated[list[str], Query(max_length=200, description="Features, each given once.")]
Target = Annotated[float | None, Query(description="The answer to reach; the version's threshold, or the median value, when left out.")]
Above = Annotated[bool | None, Query(description="Which side of the target; the other one, when left out.")]
Most = Annotated[int, Query(ge=1, le=5, description="Features that may change at once.")]


def requests_router(services: Services, reads: Reads) -> APIRouter:
    """Routes that open a request of the prediction log."""
    router = APIRouter(tags=["requests"], responses=ERRORS, dependencies=[needs(Right.VIEW)])

    @router.get("/loops/{name}/requests/{id}", summary="One request, explained")
    def request(name: str, id: str) -> JSONResponse:
        return answer(services.explain(reads.named(name), id))

    @router.get("/loops/{name}/requests/{id}/counterfactuals", summary="What would have changed the answer")
    def counterfactuals(
        name: str,
        id: str,
        target: Target = None,
        above: Above = None,
        keep: Names = [],  # noqa: B006 - FastAPI copies it
        up: Names = [],  # noqa: B006
        down: Names = [],  # noqa: B006
        most: Most = 3,
    ) -> JSONResponse:
        allowed = Constraints(keep=frozenset(keep), up=frozenset(up), down=frozenset(down), most=most)
        search = Search(constraints=allowed, target=target, up=above)
        return answer({"counterfactuals": services.explain(reads.named(name), id, search).counterfactuals})

    return router
