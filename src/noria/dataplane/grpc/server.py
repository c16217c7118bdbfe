"""Listens for gRPC beside HTTP, in the data plane's own event loop and over the same desk."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from grpc import aio

from noria.core.errors import Unavailable
from noria.dataplane.grpc import reflection, service
from noria.dataplane.grpc.calls import guarded
from noria.dataplane.grpc.health import Health
from noria.dataplane.grpc.messages import HEALTH_SERVICE, SERVICE
from noria.dataplane.guard import Guard
from noria.dataplane.limits import Load, RequestLimits
from noria.stages.serving.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server that listens.

    Attributes:
        port: Where.
    """

    port: int
    server: aio.Server
    health: Health

    async def close(self, grace_s: float) -> None:
        """Take no more calls, and give those under way `grace_s` seconds."""
        self.health.end()
        await self.server.stop(grace_s)


async def listen(
    desk: Desk,
    host: str,
    port: int,
    *,
    guard: Guard | None = None,
    load: Load | None = None,
    credentials: grpc.ServerCredentials | None = None,
    shared: bool = False,
) -> Listening:
    """Listen on a port (0: any free one) of the running loop.

    Args:
        guard: Who may call; health and ServerLive are open to everybody.
        load: What is under way, and how much may be.
        credentials: Speak TLS with these.
        shared: Whether other processes of this data plane listen on the same port.

    Raises:
        Unavailable: the port cannot be had.
    """
    load = load or Load(RequestLimits())
    server = aio.server(
        options=[
            ("grpc.max_receive_message_length", load.limits.body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", int(shared)),
        ],
        maximum_concurrent_rpcs=load.limits.connections,
    )
    health = Health(desk)
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(SERVICE, service.methods(desk, guarded(guard or Guard()), load)),
            grpc.method_handlers_generic_handler(HEALTH_SERVICE, health.methods()),
            *(grpc.method_handlers_generic_handler(name, reflection.methods(name)) for name in reflection.NAMES),
        )
    )
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        await server.start()
    except RuntimeError as error:
        raise Unavailable(f"gRPC cannot listen on {address}: {error}", fix="choose another port with --grpc-port") from None
    return Listening(port=bound, server=server, health=health)
