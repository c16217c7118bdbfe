"""A desk behind a real gRPC port."""

from __future__ import annotations

import pytest

from noria.dataplane.grpc.server import listen
from noria.dataplane.guard import Guard
from noria.dataplane.limits import Load, RequestLimits


@pytest.fixture
def listening(at_work):
    """Run a scenario against the port of an open desk."""

    def run(scenario, *, token: str = "", guard: Guard | None = None, limits: RequestLimits | None = None, **plan):
        async def whole(office):
            server = await listen(office.desk, "127.0.0.1", 0, guard=guard or Guard(token=token), load=Load(limits or RequestLimits()))
            try:
                return await scenario(f"127.0.0.1:{server.port}", office)
            finally:
                await server.close(0)

        return at_work(whole, **plan)

    return run
