"""Who may ask, and what a browser may do with the answer: hosts, the token, security headers."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noria.server.called import LOOPBACK_HOSTS, HostRefused, host_name
from noria.server.errors import envelope
from noria.server.headers import HEADERS

BODY_LIMIT_BYTES = 64 * 1024

MODEL_LIMIT_BYTES = 256 * 1024 * 1024
"""Of a body that carries a model."""

MODELS = "/api/v1/deployments/"

LINEAGE_LIMIT_BYTES = 4 * 1024 * 1024
"""Of OpenLineage events: they carry the columns of all tables."""

LINEAGE = "/api/v1/lineage"


class Guard:
    """ASGI wrapper: refuses foreign host names and large bodies, and puts the security headers on every answer.

    Args:
        hosts: Host names that this server answers for, without port; None answers for any.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str] | None = LOOPBACK_HOSTS) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        if self._hosts is not None and host_name(headers.get("host", "")) not in self._hosts:
            refusal = envelope(HostRefused(f"this server does not answer for the host {headers.get('host', '')[:200]!r}"))
            await refusal(scope, receive, send_guarded)
        else:
            limit = body_limit(scope["path"])
            await self._app(scope, _bounded(receive, limit), send_guarded)


def body_limit(path: str) -> int:
    """Bytes that a body may have."""
    if path.startswith(LINEAGE):
        return LINEAGE_LIMIT_BYTES
    return MODEL_LIMIT_BYTES if path.startswith(MODELS) else BODY_LIMIT_BYTES


def _bounded(receive: Receive, limit: int) -> Receive:
    """Read at most `limit` bytes: what comes after is cut, so the JSON does not parse."""
    left = limit

    async def receive_bounded() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")[: max(left, 0)]
            left -= len(message.get("body", b""))
            message["body"] = body
            if left < 0:
                message["more_body"] = False
        return message

    return receive_bounded
