"""One HTTP exchange as a face of the data plane sees it, whatever carries the bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from noria.core.errors import NoriaError, RequestInvalid

JSON = "application/json"

STATUS = {
    "request-invalid": 422,
    "bad-request": 400,
    "not-json": 400,
    "too-large": 413,
    "not-found": 404,
    "method-not-allowed": 405,
    "too-slow": 408,
    "unauthorized": 401,
    "unsupported-media-type": 415,
    "too-many-requests": 429,
    "headers-too-large": 431,
    "unavailable": 503,
    "too-late": 504,
}
"""Error code to HTTP status; what is not here is the server's own fault, 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose body is here.

    Attributes:
        path: Percent-decoded, without the query.
        headers: By lower-case name; of several the last.
        names: What the endpoint's pattern took out of the path.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    names: Mapping[str, str] = field(default_factory=dict)

    def kind(self) -> str:
        """The media type of the body, lower-case, without parameters; "" when none is told."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is sent back: `body`, or the pieces of `stream` as they are taken; it is closed when the caller leaves."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncGenerator[bytes, None] | None = None


Handler = Callable[[Call], Awaitable[Reply]]


def named(call: Call) -> str:
    """The deployment that a call's path names; "" where it names none."""
    return call.names.get("name", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one pattern of paths, such as "/v2/models/{name}/infer".

    Attributes:
        handler: Raises `NoriaError`; the face's `refusal` says it in the protocol's own form.
        open: Whether it answers without a token or key.
        deployment: Whose keys and limits a call falls under; "" for nobody's. Never raises.
        summary: One line for the API's description.
    """

    method: str
    pattern: str
    handler: Handler
    open: bool = False
    deployment: Callable[[Call], str] = named
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A protocol.

    Attributes:
        name: As a person calls it.
        prefixes: Paths under these that no endpoint takes are refused in this protocol's form; "/" for the rest.
        refusal: An error and its HTTP status in this protocol's form.
    """

    name: str
    prefixes: Sequence[str]
    endpoints: Sequence[Endpoint]
    refusal: Callable[[NoriaError, int], Reply]


class Refused(NoriaError):
    """A call that HTTP itself refuses; its `code` is one of `STATUS`."""

    def __init__(self, code: str, message: str, *, fix: str = "") -> None:
        self.code = code
        super().__init__(message, fix=fix)


def said(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A JSON reply."""
    return Reply(status=status, body=orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), headers=headers)


def id_header(request_id: str) -> tuple[tuple[str, str], ...]:
    """The header that tells a request's id; none where the caller's own id has what a header cannot carry."""
    return (("x-noria-id", request_id),) if request_id.isascii() and request_id.isprintable() else ()


def one_text(error: NoriaError, status: int) -> Reply:
    """An error as the inference protocols say it: one text; what does not fit the model is a 400."""
    return said({"error": f"{error.message}; {error.fix}" if error.fix else error.message}, 400 if status == 422 else status)


def document(body: bytes, *, nan: bool = False) -> dict[str, Any]:
    """The JSON object in a body.

    Args:
        nan: Take NaN and Infinity too, which JSON has not and clients write.

    Raises:
        Refused: it is not JSON.
        RequestInvalid: it is no object.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _with_nan(body) if nan else None
        if value is None:
            raise Refused("not-json", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestInvalid("the body is not an object", fields={"body": "must be a JSON object"})
    return value


def _with_nan(body: bytes) -> Any:
    """What Python's own reader makes of a body, if it can be said again; else None."""
    try:
        value = json.loads(body)
        orjson.dumps(value)
    except (ValueError, RecursionError, TypeError):
        return None
    return value
