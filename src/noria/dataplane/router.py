"""Finds who answers a call, and answers whatever goes wrong on the way in the right protocol's form."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from noria.core.errors import NoriaError
from noria.dataplane.compression import unpacked
from noria.dataplane.exchange import STATUS, Call, Endpoint, Face, Refused, Reply
from noria.dataplane.guard import Guard
from noria.dataplane.limits import Load
from noria.stages.serving.shelf import Cold

_log = logging.getLogger("noria.dataplane")

_FAILED = "the server failed on this request; its log says why"

_HEADERS = {401: ("www-authenticate", "Bearer"), 429: ("retry-after", "1"), 503: ("retry-after", "1")}


class Router:
    """All faces of one data plane.

    Args:
        guard: Who may call what is not open.
        load: What is under way, of POST alone: health and the like answer whatever happens.
    """

    def __init__(self, faces: Sequence[Face], *, guard: Guard, load: Load) -> None:
        self.guard = guard
        self.load = load
        self._exact: dict[str, dict[str, tuple[Face, Endpoint]]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, tuple[Face, Endpoint]]]] = {}
        for face in faces:
            for endpoint in face.endpoints:
                self._add(face, endpoint)
        self._prefixes = sorted(((prefix, face) for face in faces for prefix in face.prefixes), key=lambda pair: -len(pair[0]))

    async def answer(self, call: Call) -> Reply:
        """The reply to any call; never raises but when it is cancelled."""
        face = self._face(call.path)
        try:
            face, endpoint, names = self._found(call, face)
            if names:
                call = replace(call, names=names)
            deployment = endpoint.deployment(call)
            if not endpoint.open:
                self.guard.admit(call.headers, deployment)
            if call.method != "POST":
                return await endpoint.handler(call)
            if "content-encoding" in call.headers:
                call = unpacked(call, self.load.limits.body_bytes)
            with self.load.under_way(deployment) as counted:
                return counted.streaming(await endpoint.handler(call))
        except NoriaError as error:
            return _told(face, error)
        except Exception:  # noqa: BLE001 - no traceback leaves the server; its log keeps it
            _log.exception("a request failed")
            return face.refusal(NoriaError(_FAILED), 500)

    def refused(self, path: str, error: NoriaError) -> Reply:
        """An error that came up before a call was whole, as its path's protocol says it."""
        return _told(self._face(path), error)

    def _add(self, face: Face, endpoint: Endpoint) -> None:
        if "{" not in endpoint.pattern:
            self._exact.setdefault(endpoint.pattern, {})[endpoint.method] = (face, endpoint)
            return
        pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+?)", re.escape(endpoint.pattern)))
        self._patterns.setdefault(endpoint.pattern, (pattern, {}))[1][endpoint.method] = (face, endpoint)

    def _face(self, path: str) -> Face:
        return next(face for prefix, face in self._prefixes if path.startswith(prefix))

    def _found(self, call: Call, face: Face) -> tuple[Face, Endpoint, dict[str, str]]:
        allowed: set[str] = set()
        for methods, names in self._candidates(call.path):
            found = methods.get(call.method)
            if found is not None:
                return (*found, names)
            allowed |= set(methods)
        if allowed:
            raise Refused("method-not-allowed", f"{call.path[:100]} wants {' or '.join(sorted(allowed))}")
        known = ", ".join(dict.fromkeys(endpoint.pattern for endpoint in face.endpoints))
        raise Refused("not-found", f"there is no {call.path[:100]!r}; there are {known}", fix="GET /openapi.json lists every path")

    def _candidates(self, path: str) -> list[tuple[dict[str, tuple[Face, Endpoint]], dict[str, str]]]:
        if path in self._exact:
            return [(self._exact[path], {})]
        matches = ((pattern.fullmatch(path), methods) for pattern, methods in self._patterns.values())
        return [(methods, match.groupdict()) for match, methods in matches if match is not None]


def _told(face: Face, error: NoriaError) -> Reply:
    """The error in the face's form, with the headers that HTTP wants of its status."""
    status = STATUS.get(error.code, 500)
    reply = face.refusal(error, status)
    more = _HEADERS.get(status)
    if isinstance(error, Cold):
        more = ("retry-after", str(max(1, round(error.retry_after_s))))
    return replace(reply, headers=(*reply.headers, more)) if more else reply
