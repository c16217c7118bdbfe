"""Answers in pieces over HTTP, as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from noria.core.errors import NoriaError, Unavailable
from noria.dataplane.asked import asking
from noria.dataplane.exchange import STATUS, Call, Endpoint, Face, Reply, document
from noria.dataplane.faces import own
from noria.stages.serving.desk import Desk
from noria.stages.serving.streaming import Streamed

CONTENT_TYPE = "text/event-stream"

HEARTBEAT_S = 10.0
"""While no piece comes, a comment goes out this often, so that nobody between takes the connection for dead."""

IDLE_S = 300.0
"""A model that gives no piece for so long has failed."""


def face(desk: Desk) -> Face:
    """The protocol over a desk."""

    async def stream(call: Call) -> Reply:
        item = own.item(document(call.body))
        streamed = await desk.stream(call.names["name"], item, asking(call))
        return Reply(
            content_type=CONTENT_TYPE, headers=(("cache-control", "no-store"), ("x-accel-buffering", "no")), stream=events(streamed)
        )

    return Face(
        name="Streams",
        prefixes=(),
        endpoints=(
            Endpoint(method="POST", pattern="/predict/{name}/stream", handler=stream, summary="The answer to one row, piece by piece"),
        ),
        refusal=own.refusal,
    )


async def events(streamed: Streamed) -> AsyncGenerator[bytes, None]:
    """The pieces as events, then one that says who answered, or what went wrong; closing it stops the model."""
    try:
        while True:
            coming = asyncio.ensure_future(anext(streamed))
            try:
                waited_s = 0.0
                while not (await asyncio.wait({coming}, timeout=HEARTBEAT_S))[0]:
                    waited_s += HEARTBEAT_S
                    if waited_s >= IDLE_S:
                        raise _silent(streamed)
                    yield b": still working\n\n"
                piece = coming.result()
            finally:
                coming.cancel()
            yield b"data: " + piece + b"\n\n"
    except StopAsyncIteration:
        yield _event("end", _who(streamed))
    except Unavailable as error:
        yield _event("error", {**_who(streamed), **_said(error)})
    finally:
        streamed.close()


def _silent(streamed: Streamed) -> Unavailable:
    error = Unavailable(f"version {streamed.version} gave no piece for {IDLE_S:g} s")
    streamed.fail(error.message)
    return error


def _who(streamed: Streamed) -> dict[str, Any]:
    return {"id": streamed.id, "version": streamed.version, "role": streamed.role, "pieces": streamed.pieces}


def _said(error: NoriaError) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(own.refusal(error, STATUS[error.code]).body)
    return told


def _event(name: str, told: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(told) + b"\n\n"
