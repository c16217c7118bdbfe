"""Moves bodies of any size between a caller and the blob store: constant memory, each piece hashed and written in a thread."""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar
from urllib.parse import quote

import orjson
from starlette.types import Receive, Send

from noria.core.errors import BlobMissing, NoriaError, RequestInvalid
from noria.ledger.artifacts.index import Artifact
from noria.ports.blobs import CHUNK_BYTES, BlobStore

T = TypeVar("T")

_THREADS = ThreadPoolExecutor(32, thread_name_prefix="artifacts")

_SAID = re.compile(r"sha-256=:?([A-Za-z0-9+/=]+?):?(?:,|$)", re.IGNORECASE)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Writer(Protocol):
    """What takes a body, piece by piece, from one thread at a time."""

    def write(self, piece: bytes) -> None:
        """Take a piece."""
        ...


class StoreFull(NoriaError, OSError):
    """There is no room for a body. Its status is one that clients do not come again for."""

    code, fix = "store-full", "free the disk that the home is on, or run `noria gc`"


@contextmanager
def told_if_full() -> Iterator[None]:
    """Say that the disk is full in an error of ours.

    Raises:
        StoreFull: it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull("the server's disk is full") from error
        raise


class CallerLeft(RequestInvalid):
    """The connection ended before the body was whole."""


async def received(receive: Receive, writer: Writer) -> None:
    """Write a request's body; the next piece comes while the one before is being written.

    Raises:
        CallerLeft: the body was cut off.
    """
    writing: asyncio.Future[None] | None = None
    held, held_bytes, more = [], 0, True
    try:
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft("the caller left before the body was whole")
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                held.append(piece)
                held_bytes += len(piece)
            if held and (held_bytes >= CHUNK_BYTES or not more):
                together = b"".join(held)
                held, held_bytes = [], 0
                if writing is not None:
                    await writing
                writing = apart(writer.write, together)
    finally:
        if writing is not None:
            await writing


def said_digest(headers: Mapping[str, str]) -> str:
    """The digest that the caller says the body has (`Repr-Digest`, `Content-Digest`, `Digest`: RFC 9530, RFC 3230); "" = none.

    Raises:
        RequestInvalid: it cannot be read.
    """
    for name in ("repr-digest", "content-digest", "digest"):
        found = _SAID.search(headers.get(name, ""))
        if found is not None:
            try:
                return f"sha256:{base64.b64decode(found[1], validate=True).hex()}"
            except (binascii.Error, ValueError):
                raise RequestInvalid(f"the header {name} cannot be read: {headers[name][:100]!r}") from None
    return ""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `stop` (without it) of a file."""

    start: int
    stop: int


def asked_span(headers: Mapping[str, str], artifact: Artifact) -> Span | None:
    """The one range that is asked for; None = the whole file, as for several ranges and where the file became another one.

    Raises:
        Unsatisfiable: it lies behind the file's end.
    """
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", _tag(artifact)) != _tag(artifact) or found[0] == "bytes=-":
        return None
    size = artifact.size_bytes
    start = int(found[1]) if found[1] else max(size - int(found[2]), 0)
    stop = min(int(found[2]) + 1, size) if found[1] and found[2] else size
    if found[1] and found[2] and int(found[2]) < int(found[1]):
        return None
    if start >= size:
        raise Unsatisfiable(size)
    return Span(start, stop)


class Unsatisfiable(RequestInvalid):
    """A range that the file does not have."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        super().__init__(f"the file has {size_bytes} bytes")


async def sent(
    receive: Receive, send: Send, blobs: BlobStore, artifact: Artifact, headers: Mapping[str, str], *, body: bool = True
) -> None:
    """Answer with a file, or with the range of it that is asked for.

    A whole file is verified while it goes out: where it is damaged its last piece does not come, so that nobody takes it for whole.

    Args:
        body: Whether more than the headers is asked for.

    Raises:
        BlobMissing: its content is gone, or damaged.
    """
    if _tag(artifact) in [tag.strip() for tag in headers.get("if-none-match", "").split(",")]:
        await _bare(send, 304, (b"etag", _tag(artifact).encode()))
        return
    try:
        span = asked_span(headers, artifact)
    except Unsatisfiable as error:
        await _bare(send, 416, (b"content-range", b"bytes */%d" % error.size_bytes), (b"content-length", b"0"))
        return
    start, stop = (span.start, span.stop) if span is not None else (0, artifact.size_bytes)
    pieces = await apart(lambda: blobs.pieces(artifact.digest, start=start, stop=stop)) if body else iter(())
    await send({"type": "http.response.start", "status": 206 if span is not None else 200, "headers": _headers(artifact, span)})
    if body:
        await _stream(receive, send, verified(pieces, artifact.digest) if span is None else pieces)
    await send({"type": "http.response.body"})


def verified(pieces: Iterator[bytes], digest: str) -> Iterator[bytes]:
    """The same pieces; the last one only when all together have the digest.

    Raises:
        BlobMissing: they have another.
    """
    counted, before = sha256(), b""
    for piece in pieces:
        if before:
            yield before
        counted.update(piece)
        before = piece
    if f"sha256:{counted.hexdigest()}" != digest:
        raise BlobMissing(f"blob {digest} does not hold what its name says", fix="restore it from a copy")
    if before:
        yield before


async def _stream(receive: Receive, send: Send, pieces: Iterator[bytes]) -> None:
    """Send pieces, the next one being read meanwhile, until they end or the caller is gone."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.create_task(left())
    coming = apart(lambda: next(pieces, None))
    try:
        while (piece := await coming) is not None and not leaving.done():
            coming = apart(lambda: next(pieces, None))
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        leaving.cancel()
        coming.add_done_callback(lambda done: done.cancelled() or done.exception())


def apart(work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
    """Do what waits for a disk or a store in a thread, beside the server's other work."""
    return asyncio.get_running_loop().run_in_executor(_THREADS, work, *arguments)


async def _bare(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body"})


def _tag(artifact: Artifact) -> str:
    return f'"{artifact.digest.removeprefix("sha256:")}"'


def _headers(artifact: Artifact, span: Span | None) -> list[tuple[bytes, bytes]]:
    """Never shown by a browser, always saved: a file may hold what it likes."""
    name = artifact.path.rpartition("/")[2]
    told = {
        "content-type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-length": str(span.stop - span.start if span is not None else artifact.size_bytes),
        "accept-ranges": "bytes",
        "etag": _tag(artifact),
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(artifact.digest.removeprefix('sha256:'))).decode()}:",
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
    }
    if span is not None:
        told["content-range"] = f"bytes {span.start}-{span.stop - 1}/{artifact.size_bytes}"
    return [(key.encode(), value.encode()) for key, value in told.items()]


async def answered(send: Send, body: Mapping[str, object], *headers: tuple[bytes, bytes]) -> None:
    """Answer a streamed request with a JSON object."""
    content = orjson.dumps(dict(body))
    told = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": told})
    await send({"type": "http.response.body", "body": content})
