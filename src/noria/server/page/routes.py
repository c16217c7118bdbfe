"""The pages' addresses: each reads its values and names its template."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from noria.core.explaining import Constraints, Search
from noria.core.performance import MaturityCurve
from noria.core.registry import Deployment
from noria.core.rights import Right
from noria.core.state import LoopState
from noria.core.turning import TurnState
from noria.server.door import Door
from noria.server.page.anomalies import anomaly_pages
from noria.server.page.deployments import deployment_pages
from noria.server.page.drawing import Drawings, drawing_router
from noria.server.page.evidence import evidence
from noria.server.page.incidents import incident_pages
from noria.server.page.login import login_router, own_router
from noria.server.page.registry import registry_pages
from noria.server.page.render import ROOM, Pages
from noria.server.page.ring import Glance, as_text, glance, needs_person, wheel
from noria.server.page.scorecard import Cards, scorecard_router
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

EVENTS_SHOWN = 60
DEPLOYMENTS_SHOWN = 8
Names = Annotated[list[str], Query(max_length=200)]
Position = Annotated[int, Query(ge=0)]


class Open(Mount):
    """Own files that anybody may read."""

    right = Right.NONE


def page_router(services: Services, reads: Reads, door: Door) -> APIRouter:
    """All pages, their charts and their static files."""
    pages = Pages(services, reads)
    router = APIRouter(include_in_schema=False, dependencies=[needs(Right.VIEW)])
    router.include_router(drawing_router(services, Drawings(reads, services)))
    router.include_router(scorecard_router(pages, reads, Cards(reads, services)))
    router.routes.append(Open("/static", StaticFiles(directory=ROOM / "static")))
    _loop_pages(router, pages, reads)
    deployment_pages(router, pages, reads)
    incident_pages(router, pages, services, reads)
    _ledger_pages(router, pages, reads)
    anomaly_pages(router, pages, reads)
    _request_pages(router, pages, reads, services)
    registry_pages(router, pages, services)
    both = APIRouter(include_in_schema=False)
    for one in (login_router(door), own_router(door, pages), router):
        both.include_router(one)
    return both


def _loop_pages(router: APIRouter, pages: Pages, reads: Reads) -> None:
    @router.get("/")
    def home(request: Request, loop: str = "") -> Response:
        loops = reads.loops()
        seen = [glance(reads, one) for one in sorted(loops, key=lambda one: (one.name != loop, one.champion is None, one.name))]
        told = [{"seen": one, "needs": needs_person(one)} for one in seen]
        ring = wheel(seen[0]) if seen else None
        events = reads.events(loop=seen[0].loop.name, limit=6) if seen else []
        alone = reads.deployments(limit=DEPLOYMENTS_SHOWN + 1)
        return pages.page(
            request, "home.html", told=told, ring=ring, ring_text=as_text(ring) if ring else "", events=events, deployments=alone
        )

    @router.get("/loops/{name}")
    def overview(request: Request, name: str) -> Response:
        seen = glance(reads, reads.loop(name))
        quality, estimated = (reads.newest_reading(name, monitor, seen.loop.quality_metric) for monitor in ("quality", "estimated-quality"))
        made = {version.turn: version for version in reads.versions(name)}
        turns = [(turn, made.get(turn.id)) for turn in reads.turns(name, limit=30)]
        day = _last_day(seen)
        return pages.page(
            request,
            "loop.html",
            tab="overview",
            seen=seen,
            state=seen.loop,
            quality=quality,
            estimated=estimated,
            matures=reads.get(MaturityCurve, name) is not None,
            turns=turns,
            day=day,
        )

    @router.get("/loops/{name}/deployment")
    def deployment(request: Request, name: str) -> Response:
        seen = glance(reads, reads.loop(name))
        rollouts = reads.rollouts(name)
        moves = reads.alias_moves(name)
        return pages.page(
            request, "deployment.html", tab="deployment", seen=seen, state=seen.loop, rollouts=rollouts, moves=moves, day=_last_day(seen)
        )

    @router.get("/turns/{id}")
    def turn(request: Request, id: str) -> Response:
        found, steps, version = reads.turn(id), reads.steps(id), reads.version_of_turn(id)
        rollout = next((one for one in reads.rollouts(found.loop, limit=100) if one.turn == id), None)
        loop = reads.loop(found.loop)
        waits = loop.phase == "waiting-for-approval" and found.state is TurnState.OPEN
        return pages.page(
            request,
            "turn.html",
            tab="turns",
            turn=found,
            steps=steps,
            shown=evidence(version, steps),
            rollout=rollout,
            state=loop,
            waits=waits,
        )


def _ledger_pages(router: APIRouter, pages: Pages, reads: Reads) -> None:
    @router.get("/why/{name}")
    def why(request: Request, name: str, event: str = "") -> Response:
        alone = reads.get(Deployment, name)
        loop: LoopState | None = reads.loop(name) if alone is None else None
        decisions = reads.decisions(name)
        newest = reads.newest_decision(loop) if loop else next((one.id for one in decisions), "")
        chosen = event or newest
        chain = reads.chain(chosen) if chosen else []
        return pages.page(request, "why.html", tab="why", state=loop, alone=alone, chosen=chosen, chain=chain, decisions=decisions)

    @router.get("/events")
    def events(request: Request, loop: str = "", kind: str = "", subject: str = "", after: Position = 0) -> Response:
        found = reads.events(after=after, limit=EVENTS_SHOWN, loop=loop, kind=kind, subject=subject)
        on = found[-1].position if len(found) == EVENTS_SHOWN else None
        chosen = {"loop": loop, "kind": kind, "subject": subject}
        return pages.page(request, "events.html", events=found, chosen=chosen, next=on, after=after)


def _last_day(seen: Glance) -> dict[str, float]:
    """Sums and newest latencies of the last 24 hours of traffic."""
    newest = seen.traffic[-1].start if seen.traffic else None
    points = [p for p in seen.traffic if newest and (newest - p.start).total_seconds() < 86_400]
    return {
        "requests": sum(sum(p.requests.values()) for p in points),
        "failed": sum(p.failed for p in points),
        "fallbacks": sum(p.fallbacks for p in points),
        "shadowed": sum(p.shadowed for p in points),
        "p50_us": points[-1].latency_p50_us if points else 0.0,
        "p99_us": points[-1].latency_p99_us if points else 0.0,
    }


def _request_pages(router: APIRouter, pages: Pages, reads: Reads, services: Services) -> None:
    @router.get("/loops/{name}/requests/{id}")
    def opened(request: Request, name: str, id: str, keep: Names = [], search: bool = False) -> Response:  # noqa: B006 - FastAPI copies it
        state = reads.loop(name)
        wanted = Search(constraints=Constraints(keep=frozenset(keep))) if search or keep else None
        found = services.explain(state.name, id, wanted)
        return pages.page(request, "request.html", tab="", state=state, found=found, kept=set(keep), searched=wanted is not None)
