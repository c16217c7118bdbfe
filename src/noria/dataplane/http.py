"""Puts every protocol over one desk: the router that finds who answers, and the HTTP server around it."""

from __future__ import annotations

from noria.app.hosting import Hosting
from noria.dataplane.answers.jobs import Jobs
from noria.dataplane.faces import description, kserve_v1, mlflow_scoring, oip, own, streams
from noria.dataplane.group import Group
from noria.dataplane.guard import Guard
from noria.dataplane.house import House
from noria.dataplane.limits import Load, RequestLimits
from noria.dataplane.router import Router
from noria.stages.serving.desk import Desk
from noria.stages.serving.explaining import Explaining


def create_router(
    desk: Desk,
    *,
    guard: Guard | None = None,
    limits: RequestLimits | None = None,
    deployment: str = "",
    hosting: Hosting | None = None,
    jobs: Jobs | None = None,
    group: Group | None = None,
    explaining: Explaining | None = None,
    tls: bool = False,
) -> Router:
    """Every protocol over one desk; `deployment` answers where a protocol's call names none, `jobs` what nobody waits for."""
    faces = [
        own.face(desk, later=jobs.accept if jobs else None, group=group, explaining=explaining),
        streams.face(desk),
        oip.face(desk, explaining=explaining),
        kserve_v1.face(desk, explaining=explaining),
        mlflow_scoring.face(desk, deployment=deployment, hosting=hosting),
        *([jobs.face()] if jobs else []),
    ]
    guard = guard or Guard()
    faces.append(description.face(desk, tuple(faces), keys=guard.everywhere, tls=tls))
    return Router(faces, guard=guard, load=Load(limits or RequestLimits()))


def create_house(desk: Desk, router: Router) -> House:
    """The HTTP server over a desk and its router. Wants a running event loop."""
    return House(router, fast=own.Fast(desk, router.guard).take, limits=router.load.limits)
