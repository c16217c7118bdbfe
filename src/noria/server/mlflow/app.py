"""The protocol as an ASGI application of its own, beside the API's: finds the endpoint, asks who calls, answers.

It is plain ASGI because it is hot: a training loop logs thousands of points a second through it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from noria.core.errors import Forbidden, NoriaError, NotFound, RequestInvalid
from noria.core.rights import ANYWHERE, DEFAULT_PROJECT, NOBODY, Principal, Right
from noria.ledger.projects import Projects
from noria.ledger.tracking import experiments
from noria.server.called import HostRefused, address_of, host_name, noted
from noria.server.mlflow.asked import Asked, Fields
from noria.server.mlflow.bodies import whole
from noria.server.mlflow.endpoints import BODY_BYTES, Callers, Endpoint, Said, Tracking
from noria.server.mlflow.errors import EndpointNotFound, told
from noria.server.mlflow.ticks import Ticks
from noria.server.shown import headers_of

log = logging.getLogger(__name__)

PREFIXES = (
    "/api/v1/tracking/",
    "/api/2.0/",
    "/api/3.0/",
    "/ajax-api/",
    "/v1/traces",
    "/get-artifact",
    "/model-versions/get-artifact",
    "/version",
    "/health",
)
"""Paths that are this application's; `/health/…` is not."""

LOOK_S = 1.0
"""A project that was there is taken to be there for so long."""

_THREADS = 16
_HEADERS = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
_DONE = b"{}"


def takes(path: str) -> bool:
    """Whether a path belongs to this protocol."""
    return path.startswith(PREFIXES) and not path.startswith("/health/")


class MlflowApp:
    """ASGI.

    Args:
        callers: Who calls, by the headers.
        hosts: Host names to answer for; None for any.
    """

    def __init__(self, tracking: Tracking, endpoints: Iterable[Endpoint], *, callers: Callers, hosts: Sequence[str] | None) -> None:
        self.endpoints = tuple(endpoints)
        self._tracking = tracking
        self._callers = callers
        self._hosts = None if hosts is None else frozenset(name.lower() for name in hosts)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mlflow")
        self._ticks = Ticks(tracking.store, self._threads)
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Endpoint]]] = {}
        self._projects: dict[str, float] = {}
        for endpoint in self.endpoints:
            for path in _paths(endpoint):
                self._add(path, endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._answer(scope, headers_of(scope["headers"]), receive, send)
        except NoriaError as error:
            status, body = told(error)
            await _send(send, Said(body=orjson.dumps(body), status=status, headers=_more(status)))
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            body = {"error_code": "INTERNAL_ERROR", "message": "the server made a mistake and has logged it"}
            await _send(send, Said(body=orjson.dumps(body), status=500))

    async def _answer(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        self._check_origin(headers)
        endpoint, names = self._found(scope["method"], scope["path"])
        project = headers.get("x-mlflow-workspace", "") or DEFAULT_PROJECT
        principal = await self._admitted(endpoint, scope, headers, project)
        if not endpoint.house and endpoint.right is not Right.NONE and self._projects.get(project, 0.0) <= time.monotonic():
            await asyncio.get_running_loop().run_in_executor(self._threads, self._begin, project, endpoint, principal)
        body = b"" if endpoint.streams else await _body(receive, headers)
        asked = Asked(
            fields=_fields(scope["query_string"], body, headers, json=not endpoint.streams),
            names=names,
            principal=principal,
            project=project,
            headers=headers,
            method=scope["method"],
            path=scope["path"],
            origin=f"{scope['scheme']}://{headers.get('host', '')}",
            body=body,
        )
        if endpoint.hot:
            await self._ticks.do(endpoint.handler(self._tracking, asked))
            await _send(send, _EMPTY)
        elif endpoint.streams:
            await endpoint.handler(self._tracking, asked, receive, send)
        else:
            said = await asyncio.get_running_loop().run_in_executor(self._threads, endpoint.handler, self._tracking, asked)
            await _send(send, said if isinstance(said, Said) else Said(body=orjson.dumps(said or {}, default=_plain)))

    async def _admitted(self, endpoint: Endpoint, scope: Scope, headers: dict[str, str], project: str) -> Principal:
        if endpoint.right is Right.NONE:
            return NOBODY
        principal = await self._callers(headers, method=scope["method"], address=address_of(scope))
        if endpoint.house:
            project = ANYWHERE
        noted(scope, principal, endpoint.right, project, endpoint.path)
        if endpoint.house and endpoint.right is Right.VIEW:
            return principal
        if not principal.may(endpoint.right, project):
            raise Forbidden(f"{principal.name or 'nobody'} may not {endpoint.right} in the project {project[:100]!r}")
        return principal

    def _check_origin(self, headers: dict[str, str]) -> None:
        """Refuse foreign host names (DNS rebinding) and pages of other sites."""
        host = headers.get("host", "")
        if self._hosts is not None and host_name(host) not in self._hosts:
            raise HostRefused(f"this server does not answer for the host {host[:200]!r}")
        origin = headers.get("origin", "")
        if origin and origin.partition("://")[2].lower() != host.lower():
            raise Forbidden(f"a page of {origin[:200]} may not call this server")

    def _begin(self, project: str, endpoint: Endpoint, principal: Principal) -> None:
        """Let a project be used; another process's removal of it counts after `LOOK_S`.

        Raises:
            NotFound: there is no such project.
        """
        projects = Projects(self._tracking.store, self._tracking.ledger, self._tracking.wall)
        try:
            projects.get(project)
        except NotFound:
            if not endpoint.founds or not principal.may(Right.ADMIN, ANYWHERE):
                raise
            projects.add(project, by=principal.name)
        experiments.ensure_default(self._tracking.store, project, now_ms=self._tracking.now_ms())
        self._projects[project] = time.monotonic() + LOOK_S

    def _add(self, path: str, endpoint: Endpoint) -> None:
        if "{" not in path:
            self._exact.setdefault(path, {})[endpoint.method] = endpoint
            return
        text = re.sub(r"\\{(\w+):path\\}", r"(?P<\1>.+)", re.escape(path).replace(r"\:", ":"))
        pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", text))
        self._patterns.setdefault(path, (pattern, {}))[1][endpoint.method] = endpoint

    def _found(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        found = self._exact.get(path, {}).get(method)
        if found is not None:
            return found, {}
        for pattern, methods in self._patterns.values():
            match = pattern.fullmatch(path) if method in methods else None
            if match is not None:
                return methods[method], match.groupdict()
        raise EndpointNotFound(f"there is no {method} {path[:200]} here")


_EMPTY = Said(body=_DONE)


def _paths(endpoint: Endpoint) -> list[str]:
    twin = endpoint.path.replace("/api/", "/ajax-api/", 1) if endpoint.path.startswith("/api/") else ""
    return [twin] if endpoint.ajax else [endpoint.path, *([twin] if twin else [])]


async def _body(receive: Receive, headers: dict[str, str]) -> bytes:
    """The whole body.

    Raises:
        RequestInvalid: it is too large, or was cut off.
    """
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > BODY_BYTES:
        raise RequestInvalid(f"The body has {length} bytes; {BODY_BYTES} are read")
    return await whole(receive, BODY_BYTES)


def _fields(query: bytes, body: bytes, headers: dict[str, str], *, json: bool) -> Fields:
    """Query and JSON body together; a key that is repeated in the query is a list."""
    values: dict[str, Any] = {}
    if query:
        try:
            read = parse_qs(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10_000)
        except ValueError as error:
            raise RequestInvalid(f"the query cannot be read: {error}") from None
        values = {name: given[0] if len(given) == 1 else given for name, given in read.items()}
    if json and body and "json" in headers.get("content-type", ""):
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RequestInvalid(f"The body is not JSON: {error}") from None
        if not isinstance(said, dict):
            raise RequestInvalid("The body is not a JSON object")
        values |= said
    return Fields(values)


def _plain(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON")


def _more(status: int) -> tuple[tuple[str, str], ...]:
    return (("www-authenticate", 'Basic realm="noria"'),) if status == 401 else ()


async def _send(send: Send, said: Said) -> None:
    headers = _HEADERS if said.content_type == "application/json" else [(b"content-type", said.content_type.encode()), _HEADERS[1]]
    more = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said.headers]
    length = (b"content-length", str(len(said.body)).encode())
    await send({"type": "http.response.start", "status": said.status, "headers": [*headers, length, *more]})
    await send({"type": "http.response.body", "body": said.body})
