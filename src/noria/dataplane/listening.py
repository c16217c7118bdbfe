"""Listens for callers, until the house is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ssl import SSLContext

from noria.dataplane.connection import Connection
from noria.dataplane.house import House

HANDSHAKE_S = 10
"""A caller has this long to agree on a key."""


async def listen(house: House, at: socket.socket, *, drain_s: float, ssl: SSLContext | None = None) -> None:
    """Serve until `house.end()`.

    Args:
        at: Listens already; closed at the end. Other workers may accept from the very same socket: what waits there is theirs then.
        drain_s: Requests under way have this long once it ends.
    """
    server = await house.loop.create_server(lambda: Connection(house), sock=at, ssl=ssl, ssl_handshake_timeout=HANDSHAKE_S if ssl else None)
    house.port = server.sockets[0].getsockname()[1]
    keeping = house.loop.create_task(house.keep_time())
    try:
        await house.leaving()
        server.close()
        await house.ended()
    finally:
        server.close()
        await house.drain(drain_s)
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
