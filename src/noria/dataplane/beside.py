"""Opens the gRPC port beside HTTP where one is set; nothing of gRPC is imported where none is."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from noria.app.certificates import Certificate
from noria.core.errors import Unavailable
from noria.dataplane.guard import Guard
from noria.dataplane.limits import Load, RequestLimits
from noria.stages.serving.desk import Desk

_log = logging.getLogger("noria.dataplane")


@asynccontextmanager
async def grpc_beside(
    desk: Desk,
    host: str,
    port: int,
    *,
    guard: Guard,
    limits: RequestLimits,
    certificate: Certificate | None = None,
    shared: bool = False,
    grace_s: float,
) -> AsyncIterator[None]:
    """Listen for gRPC while the block runs; calls under way at its end have `grace_s` seconds.

    A port that cannot be opened costs HTTP nothing: the desk's problems, and so the page, say why.

    Args:
        port: 0 for none.
        certificate: Speak TLS with it.
        shared: Whether workers listen on the same port.
    """
    if not port:
        yield
        return
    try:
        from noria.dataplane.grpc.server import listen
        from noria.dataplane.grpc.tls import credentials

        shown = None if certificate is None else credentials(certificate)
        listening = await listen(desk, host, port, guard=guard, load=Load(limits), credentials=shown, shared=shared)
    except (ImportError, Unavailable) as error:
        why = error.message if isinstance(error, Unavailable) else f'{error}: install it with `pip install "noria[grpc]"`'
        _log.warning("gRPC is not served: %s", why)
        desk.report("grpc", why)
        yield
        return
    try:
        yield
    finally:
        await listening.close(grace_s)
