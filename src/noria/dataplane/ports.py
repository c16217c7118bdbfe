"""The data plane's own listening socket, which several workers may share."""

from __future__ import annotations

import socket

BACKLOG = 2_048


def listening(host: str, port: int, *, shared: bool) -> socket.socket:
    """A socket that listens; with `shared` other processes may listen there too, and the kernel deals connections out.

    Raises:
        OSError: another program listens there, or nobody may.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((host, port))
        found.listen(BACKLOG)
        found.setblocking(False)
    except BaseException:
        found.close()
        raise
    return found
