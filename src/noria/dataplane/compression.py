"""Bodies that come or go compressed: gzip and deflate, never unpacked beyond a limit."""

from __future__ import annotations

import zlib
from dataclasses import replace

from noria.dataplane.exchange import Call, Refused, Reply

WORTH_BYTES = 1_024
"""A shorter reply goes as it is, unless the caller takes nothing but one coding."""

_WINDOW = {"gzip": 31, "deflate": 15}
"""Coding to what zlib calls it; HTTP's deflate is zlib's own format (RFC 9110, 8.4.1.2)."""


def unpacked(call: Call, limit_bytes: int) -> Call:
    """A call with its body as it was before it was compressed.

    Raises:
        Refused: an unknown coding, broken data, or more than `limit_bytes`.
    """
    coding = call.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return call
    if coding not in _WINDOW:
        raise Refused("unsupported-media-type", f"content encoding {coding[:40]!r} is not read", fix="send gzip, deflate or neither")
    reading = zlib.decompressobj(_WINDOW[coding])
    try:
        body = reading.decompress(call.body, limit_bytes + 1)
    except zlib.error as error:
        raise Refused("not-json", f"the body is not {coding}: {error}") from None
    if len(body) > limit_bytes:
        raise Refused("too-large", f"the body is larger than {limit_bytes:,} bytes when unpacked", fix="send fewer rows at a time")
    if not reading.eof or reading.unused_data:
        raise Refused("not-json", f"the body is not one whole piece of {coding}")
    return replace(call, body=body)


def packed(call: Call, reply: Reply) -> Reply:
    """A reply in the coding that its caller takes, where that is worth it."""
    taken = _taken(call.headers.get("accept-encoding", ""))
    coding = next((coding for coding in _WINDOW if coding in taken), "")
    if not coding or reply.stream is not None or (len(reply.body) < WORTH_BYTES and len(taken) > 1):
        return reply
    writing = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[coding])
    body = writing.compress(reply.body) + writing.flush()
    return replace(reply, body=body, headers=(*reply.headers, ("content-encoding", coding), ("vary", "accept-encoding")))


def _taken(header: str) -> set[str]:
    """The codings that a caller takes; those with weight 0 are refused by it."""
    taken = set()
    for one in header.split(","):
        coding, _, weight = one.replace(" ", "").lower().partition(";q=")
        if coding and (not weight or weight.strip("0.")):
            taken.add(coding)
    return taken
