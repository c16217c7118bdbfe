"""Reads a body that is taken whole."""

from __future__ import annotations

from starlette.types import Receive

from noria.core.errors import RequestInvalid


async def whole(receive: Receive, most: int, *, fix: str = "") -> bytes:
    """The whole body.

    Args:
        most: Bytes that it may have.
        fix: What to do about a body that has more.

    Raises:
        RequestInvalid: it is too large, or was cut off.
    """
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestInvalid("the caller left before the body was whole")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise RequestInvalid(f"The body has more than {most} bytes", fix=fix)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
