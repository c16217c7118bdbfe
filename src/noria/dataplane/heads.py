"""The heads of HTTP/1.1 answers."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from noria.dataplane.exchange import Reply

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
RETRY_AFTER_S = 1


def head(reply: Reply, date: bytes, *, close: bool, chunked: bool = True) -> bytes:
    """The head of any reply; a stream's is chunked, or ends with the connection."""
    lines = [_line(reply.status), date]
    if reply.body or reply.stream is not None or reply.status not in (204, 304):
        lines.append(b"content-type: " + _plain(reply.content_type))
    told = {name.lower() for name, _ in reply.headers}
    if reply.status in (429, 503) and "retry-after" not in told:
        lines.append(b"retry-after: %d" % RETRY_AFTER_S)
    lines += [_plain(name) + b": " + _plain(value) for name, value in reply.headers]
    if reply.stream is None:
        lines.append(b"content-length: %d" % len(reply.body))
    elif chunked:
        lines.append(b"transfer-encoding: chunked")
    if close:
        lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def json_head(status: int, length: int, date: bytes, *, close: bool) -> bytes:
    """The head of a JSON answer: as `head`, but cheap."""
    return b"%b%b\r\ncontent-length: %d\r\n%b\r\n" % (_json_start(status), date, length, b"connection: close\r\n" if close else b"")


def chunk(piece: bytes) -> bytes:
    """A piece of a chunked body; the empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@cache
def _json_start(status: int) -> bytes:
    again = b"retry-after: %d\r\n" % RETRY_AFTER_S if status in (429, 503) else b""
    return _line(status) + b"\r\ncontent-type: application/json\r\n" + again


@cache
def _line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}".encode()


def _plain(text: str) -> bytes:
    """A header's name or value: no line break gets into the head."""
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")
