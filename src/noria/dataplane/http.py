"""Carries HTTP to the data plane's faces: a bare ASGI function."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any

from noria.app.hosting import Hosting
from noria.dataplane.answers.jobs import Jobs
from noria.dataplane.exchange import Call, Refused
from noria.dataplane.faces import description, kserve_v1, mlflow_scoring, oip, own, streams
from noria.dataplane.group import Group
from noria.dataplane.guard import Guard
from noria.dataplane.limits import Load, RequestLimits
from noria.dataplane.router import Router
from noria.stages.serving.desk import Desk
from noria.stages.serving.explaining import Explaining

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class Disconnected(ConnectionError):
    """The caller left before its request was read."""


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
    faces.append(description.face(desk, tuple(faces), keys=guard.everywhere))
    return Router(faces, guard=guard, load=Load(limits or RequestLimits()))


def create_app(
    desk: Desk,
    *,
    guard: Guard | None = None,
    limits: RequestLimits | None = None,
    deployment: str = "",
    hosting: Hosting | None = None,
    jobs: Jobs | None = None,
    group: Group | None = None,
    explaining: Explaining | None = None,
) -> App:
    """The ASGI application over a desk, for whom the guard admits."""
    bounds = limits or RequestLimits()
    router = create_router(
        desk, guard=guard, limits=bounds, deployment=deployment, hosting=hosting, jobs=jobs, group=group, explaining=explaining
    )

    async def app(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        try:
            call = Call(
                method=scope["method"],
                path=scope["path"],
                query=scope.get("query_string", b"").decode("latin-1"),
                headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
                body=await _body(receive, bounds.body_bytes),
            )
            reply = await router.answer(call)
        except Disconnected:
            return
        except Refused as error:
            reply = router.refused(scope["path"], error)
        headers = [(b"content-type", reply.content_type.encode()), *((n.encode(), v.encode()) for n, v in reply.headers)]
        if reply.stream is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        if reply.status == 413:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if reply.stream is not None:
            await _streamed(reply.stream, receive, send)
        await send({"type": "http.response.body", "body": reply.body})

    return app


async def _streamed(stream: AsyncGenerator[bytes, None], receive: _Receive, send: _Send) -> None:
    """Send pieces as fast as the caller takes them; end with them, or when the caller leaves."""
    left = asyncio.ensure_future(receive())
    try:
        async with contextlib.aclosing(stream):
            async for piece in stream:
                if left.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        left.cancel()


async def _body(receive: _Receive, limit_bytes: int) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise Refused("too-large", f"the body is larger than {limit_bytes:,} bytes", fix="send fewer rows at a time")
        if not message.get("more_body", False):
            return body
