"""The control plane's listening socket, which its processes share, and what answers there."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from noria.app.certificates import Certificate
from noria.app.settings import Settings
from noria.core.errors import Unavailable

BACKLOG = 2_048
DRAIN_S = 10
"""Requests under way have this long when the process is asked to end."""

LEAVE_S = 10.0
"""Processes of a server that was killed let go of its port well within this time."""


class PortTaken(Unavailable):
    """Nobody can listen there."""


def listening(host: str, port: int, *, patience_s: float = 0.0) -> socket.socket:
    """A socket that listens; other processes may be handed it and accept there too.

    It says that it speaks TCP: asyncio lets what it accepts send without delay (TCP_NODELAY) only then. Without, an
    answer's body waits up to 40 ms for the caller's word that its head has come.

    Args:
        patience_s: How long to wait for whoever still listens there.

    Raises:
        PortTaken: another program listens there, or nobody may.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    give_up = time.monotonic() + patience_s
    while True:
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
            found.listen(BACKLOG)
            found.setblocking(False)
        except OSError as error:
            found.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() >= give_up:
                raise PortTaken(
                    f"the server cannot listen on {host}:{port}: {error.strerror}", fix="choose another port, or end the other program"
                ) from error
            time.sleep(0.05)
        else:
            return found


class Answering(uvicorn.Server):
    """Answers on a socket until SIGTERM or SIGINT, then finishes what is under way.

    Args:
        begun: Called once when callers are let in.
        ending: Called when the process is asked to end, before it finishes; from a signal handler: it must be short.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        shown: Certificate | None,
        *,
        begun: Callable[[], object] = lambda: None,
        ending: Callable[[], object] = lambda: None,
    ) -> None:
        self._begun, self._ending = begun, ending
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=settings.proxies or None,
                ssl_certfile=shown.chain if shown else None,
                ssl_keyfile=shown.key if shown else None,
                lifespan="off",
                timeout_graceful_shutdown=DRAIN_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Let callers in."""
        await super().startup(sockets)
        self._begun()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._ending()
        super().handle_exit(sig, frame)
