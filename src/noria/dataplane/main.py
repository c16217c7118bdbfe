"""Runs the data plane in this process: serves, follows the routing plan, and ends without losing anything."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from noria.app.certificates import Certificate, Renewal, server_context
from noria.app.hosting import Hosting
from noria.core.traffic import ServedVersion
from noria.dataplane.answers.files import AnswerFiles
from noria.dataplane.answers.jobs import Jobs
from noria.dataplane.beside import grpc_beside
from noria.dataplane.following import PlanFollower
from noria.dataplane.group import Alone, Member
from noria.dataplane.guard import DoorFollower, Guard
from noria.dataplane.hiring import Limits, hiring
from noria.dataplane.http import create_house, create_router
from noria.dataplane.limits import RequestLimits
from noria.dataplane.listening import listen
from noria.dataplane.ports import listening
from noria.ports.clock import Clock
from noria.ports.journal import JournalWriter
from noria.stages.serving.desk import AT_ONCE, Desk
from noria.stages.serving.explaining import Explaining, Explains
from noria.stages.serving.family import Loaders, loader
from noria.stages.serving.isolated import Isolation
from noria.stages.serving.lazily import Loading
from noria.stages.serving.model import Lookup, Scorer
from noria.stages.serving.plans import doors_file

DRAIN_S = 10
"""Requests under way have this long when the process is asked to end."""

PLAN_S = 30
"""A worker waits this long for its first plan before it lets callers in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a data plane is made of.

    Attributes:
        plan_file: Where the control plane publishes the routing plan.
        cache_folder: The data plane's own: the last good plan, its challengers' output, and answers that nobody waits for.
        load_scorer: Artifact digest to scorer.
        make_lookup: Version to what looks its features up; None when all are plain inputs.
        journal: This process's writer.
        model_command: Starts a model in a process of its own; gets the socket's path and the version's JSON file as arguments.
        token: The home's; opens everything.
        open: Whether everybody may call what has no keys of its own: on this machine.
        request_limits: What this process takes.
        deployment: Answers where a protocol's call names none; "" = the only one.
        hosting: The platform that runs this container, if one does.
        grpc_port: Where the Open Inference Protocol is spoken over gRPC; 0 for nowhere.
        loading: When models are loaded.
        isolation: How champions that are isolated run.
        limits: What a model's process may do before another takes its place.
        families: What families of models are loaded with; None where there are none.
        load_explains: Version to what explains its answers; None where nothing is explained.
        certificate: What callers are shown; None = plain HTTP.
        parent: The descriptor on which a worker's parent listens; None where there are no workers.
        place: Which one of the workers this is.
        listening: The descriptor of the socket that all workers of a group that grows and shrinks accept from; None where each has its own.
        sync_every_s: How often the journal reaches the disk.
        poll_s: How often the plan file is looked at; SIGHUP looks at once.
    """

    plan_file: Path
    cache_folder: Path
    load_scorer: Callable[[str], Scorer]
    make_lookup: Callable[[ServedVersion], Lookup | None]
    journal: JournalWriter
    clock: Clock
    model_command: Sequence[str]
    token: str = ""
    open: bool = True
    deployment: str = ""
    request_limits: RequestLimits = field(default_factory=RequestLimits)
    hosting: Hosting = field(default_factory=Hosting)
    grpc_port: int = 0
    loading: Loading = AT_ONCE
    isolation: Isolation = field(default_factory=Isolation)
    limits: Limits = field(default_factory=Limits)
    families: Loaders | None = None
    load_explains: Callable[[ServedVersion], Explains] | None = None
    certificate: Certificate | None = None
    parent: int | None = None
    place: int = 0
    listening: int | None = None
    sync_every_s: float = 0.05
    poll_s: float = 0.1


def run(parts: Parts, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is under way, end the challengers and sync the journal."""
    uvloop.run(serve(parts, host, port))


async def serve(parts: Parts, host: str, port: int) -> None:
    """As `run`, in the running loop of the main thread."""
    desk = Desk(
        load=loader(parts.load_scorer, parts.make_lookup, parts.families),
        hire=hiring(parts.model_command, parts.cache_folder / "challengers" / str(parts.place), limits=parts.limits),
        journal=parts.journal,
        clock=parts.clock,
        isolation=parts.isolation,
        loading=parts.loading,
        sync_every_s=parts.sync_every_s,
        row_limit=parts.request_limits.rows,
    )
    follower = PlanFollower(desk, parts.plan_file, parts.cache_folder / "plan.json", poll_s=parts.poll_s)
    guard = Guard(token=parts.token, everywhere=not parts.open, clock=parts.clock, used=parts.cache_folder / "used-keys")
    doors = DoorFollower(guard, doors_file(parts.plan_file), parts.cache_folder / "keys.json", desk.report, poll_s=parts.poll_s)
    doors.look()
    explaining = Explaining(desk, parts.load_explains) if parts.load_explains else None
    jobs = Jobs(desk, AnswerFiles(parts.cache_folder / "answers"), parts.clock)
    member = None if parts.parent is None else Member(desk, lambda: house)
    group = member or Alone(desk, lambda: house.in_flight)
    router = create_router(
        desk,
        guard=guard,
        limits=parts.request_limits,
        deployment=parts.deployment,
        hosting=parts.hosting,
        jobs=jobs,
        group=group,
        explaining=explaining,
        tls=parts.certificate is not None,
    )
    house = create_house(desk, router)
    loop = asyncio.get_running_loop()
    context = server_context(parts.certificate) if parts.certificate else None
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, house.end)
    loop.add_signal_handler(signal.SIGHUP, follower.look_now)
    following = [loop.create_task(follower.follow()), loop.create_task(doors.follow())]
    if context is not None and parts.certificate is not None:
        following.append(loop.create_task(Renewal(context, parts.certificate, desk.report).follow()))
    try:
        async with (
            grpc_beside(
                desk,
                host,
                parts.grpc_port,
                guard=guard,
                limits=parts.request_limits,
                certificate=parts.certificate,
                shared=parts.parent is not None,
                grace_s=DRAIN_S,
            ),
            jobs.at_work(),
        ):
            if member is not None and parts.parent is not None:
                await member.join(parts.parent)
                await _planned(desk, parts.plan_file)
            at = listening(host, port, shared=member is not None) if parts.listening is None else socket.socket(fileno=parts.listening)
            await listen(house, at, drain_s=DRAIN_S, ssl=context)
    finally:
        for task in following:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if explaining is not None:
            await explaining.close()
        await desk.close()
        if member is not None:
            member.leave()
            await asyncio.sleep(0)


async def _planned(desk: Desk, plan_file: Path) -> None:
    """Return when a plan that is there is at work: a worker that comes to others takes no caller before it can answer."""
    deadline = asyncio.get_running_loop().time() + PLAN_S
    while plan_file.exists() and not desk.planned and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
