"""The prediction server's HTTP face: a bare ASGI function, so that a request costs little more than its model."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from noria.core.errors import NoriaError, RequestInvalid
from noria.core.moments import to_ms
from noria.dataplane.metrics import CONTENT_TYPE, DeskMetrics
from noria.stages.serving.asks import Answered
from noria.stages.serving.desk import Desk, Item

BODY_LIMIT = 1 << 20
ROW_LIMIT = 1_000
OUTCOME_LIMIT = 10_000

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_STATUS = {
    "request-invalid": 422,
    "not-json": 400,
    "too-large": 413,
    "not-found": 404,
    "method-not-allowed": 405,
    "unauthorized": 401,
    "unavailable": 503,
}
_JSON = b"application/json"
_log = logging.getLogger("noria.dataplane")


class Refused(NoriaError):
    """A request that HTTP itself refuses; its `code` is one of `_STATUS`."""

    def __init__(self, code: str, message: str, *, fix: str = "") -> None:
        self.code = code
        super().__init__(message, fix=fix)


class Disconnected(ConnectionError):
    """The caller left before its request was read."""


def create_app(desk: Desk, *, token: str = "") -> App:
    """The ASGI application over a desk; with a token, all but /health wants `Authorization: Bearer <token>`."""
    return _Face(desk, token)


class _Face:
    def __init__(self, desk: Desk, token: str) -> None:
        self._desk = desk
        self._authorization = f"Bearer {token}".encode() if token else b""
        self._metrics = DeskMetrics(desk)
        self._pages = {"/health/live": self._live, "/health/ready": self._ready, "/plan": self._plan, "/metrics": self._prometheus}

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        try:
            status, body, kind = await self._answer(scope, receive)
        except Disconnected:
            return
        except NoriaError as error:
            status, body, kind = _STATUS.get(error.code, 500), _error(error), _JSON
        except Exception:  # noqa: BLE001 - no traceback leaves the server; its log keeps it
            _log.exception("a request failed")
            status, body, kind = 500, _error(NoriaError("the server failed on this request; its log says why")), _JSON
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        if status == 413:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: _Message, receive: _Receive) -> tuple[int, bytes, bytes]:
        path: str = scope["path"]
        if self._authorization and not path.startswith("/health/"):
            self._admit(scope)
        if path.startswith("/predict/"):
            _only(scope, "POST")
            return 200, await self._predict(path[9:], await _body(receive)), _JSON
        if path.startswith("/feedback/"):
            _only(scope, "POST")
            return 200, await self._feedback(path[10:], await _body(receive)), _JSON
        page = self._pages.get(path)
        if page is None:
            raise Refused("not-found", f"there is no {path[:100]!r}; there are /predict/<name>, /feedback/<name>, {', '.join(self._pages)}")
        _only(scope, "GET")
        return page()

    def _admit(self, scope: _Message) -> None:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not hmac.compare_digest(given, self._authorization):
            raise Refused("unauthorized", "a bearer token is needed", fix="send the header `Authorization: Bearer <token>`")

    async def _predict(self, deployment: str, body: bytes) -> bytes:
        asked = _object(body)
        if "rows" not in asked:
            (answered,) = await self._desk.predict(deployment, [_item(asked)])
            return orjson.dumps(_spoken(answered))
        rows = asked["rows"]
        if not isinstance(rows, list) or len(asked) > 1:
            raise RequestInvalid(
                "rows is not a list, or not alone", fields={"rows": 'must be a list of {"id", "inputs"}, and the only field'}
            )
        if len(rows) > ROW_LIMIT:
            raise RequestInvalid(f"{len(rows):,} rows in one request", fields={"rows": f"must be at most {ROW_LIMIT:,}"})
        answers = await self._desk.predict(deployment, [_item(row) for row in rows])
        return orjson.dumps({"rows": [_spoken(answered) for answered in answers]})

    async def _feedback(self, deployment: str, body: bytes) -> bytes:
        told = _object(body).get("outcomes")
        if not isinstance(told, list):
            raise RequestInvalid("there is no list of outcomes", fields={"outcomes": 'must be a list of {"id", "value", "time"?}'})
        if len(told) > OUTCOME_LIMIT:
            raise RequestInvalid(f"{len(told):,} outcomes in one request", fields={"outcomes": f"must be at most {OUTCOME_LIMIT:,}"})
        outcomes = []
        for place, one in enumerate(told):
            try:
                if not isinstance(one, dict):
                    raise RequestInvalid("is not an object", fields={"outcome": "must be an object"})
                outcomes.append(self._desk.outcome(deployment, one.get("id"), one.get("value"), _moment(one.get("time"))))
            except RequestInvalid as error:
                fields = {f"outcomes[{place}].{name}": why for name, why in error.fields.items()}
                raise RequestInvalid(f"outcome {place}: {error.message}", fields=fields) from None
        return orjson.dumps({"accepted": await self._desk.feedback(deployment, outcomes)})

    def _live(self) -> tuple[int, bytes, bytes]:
        return 200, b'{"status":"live"}', _JSON

    def _ready(self) -> tuple[int, bytes, bytes]:
        return (200, b'{"status":"ready"}', _JSON) if self._desk.ready else (503, b'{"status":"waiting for a routing plan"}', _JSON)

    def _plan(self) -> tuple[int, bytes, bytes]:
        page = {
            "revision": self._desk.revision,
            "versions": self._desk.versions(),
            "problems": self._desk.problems(),
            "counters": asdict(self._desk.counters()),
        }
        return 200, orjson.dumps(page), _JSON

    def _prometheus(self) -> tuple[int, bytes, bytes]:
        return 200, self._metrics.text(), CONTENT_TYPE.encode()


async def _body(receive: _Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise Refused("too-large", f"the body is larger than {BODY_LIMIT:,} bytes", fix="send fewer rows at a time")
        if not message.get("more_body", False):
            return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused("not-json", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestInvalid("the body is not an object", fields={"body": "must be a JSON object"})
    return value


def _item(row: object) -> Item:
    if not isinstance(row, dict) or "inputs" not in row:
        raise RequestInvalid("there are no inputs", fields={"inputs": 'is missing; send {"inputs": {…}} or {"rows": [{"inputs": {…}}, …]}'})
    if len(row) > 2 or (len(row) == 2 and "id" not in row):
        unknown = ", ".join(sorted(set(row) - {"id", "inputs"}))[:200]
        raise RequestInvalid(f"unknown: {unknown}", fields={unknown: "is not part of a request; fields of the model go into inputs"})
    return row.get("id"), row["inputs"]


def _moment(time: object) -> int | None:
    if time is None:
        return None
    try:
        return to_ms(datetime.fromisoformat(time))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise RequestInvalid("time is not ISO 8601", fields={"time": "write it such as '2026-03-01T12:30:00Z'"}) from None


def _spoken(answered: Answered) -> dict[str, Any]:
    said = {"id": answered.id, "version": answered.version, "prediction": answered.prediction, "role": answered.role}
    if answered.label is not None:
        said["label"] = answered.label
    return said


def _only(scope: _Message, method: str) -> None:
    if scope["method"] != method:
        raise Refused("method-not-allowed", f"{scope['path'][:100]} wants {method}")


def _error(error: NoriaError) -> bytes:
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.fix:
        said["fix"] = error.fix
    if isinstance(error, RequestInvalid):
        said["fields"] = error.fields
    return orjson.dumps({"error": said})
