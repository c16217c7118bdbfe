"""gRPC's health protocol, in the bytes that its clients send."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc import aio

from noria.dataplane.grpc.messages import health
from noria.dataplane.grpc.server import listen


async def check(channel, service: str):
    asked = health["HealthCheckRequest"](service=service).SerializeToString()
    return health["HealthCheckResponse"].FromString(await channel.unary_unary("/grpc.health.v1.Health/Check")(asked)).status


def test_the_server_and_its_deployments_are_serving(listening) -> None:
    async def scenario(address, office):
        async with aio.insecure_channel(address) as channel:
            assert {await check(channel, name) for name in ("", "inference.GRPCInferenceService", "late")} == {1}
            with pytest.raises(aio.AioRpcError) as refused:
                await check(channel, "latte")
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND

    listening(scenario)


def test_a_watcher_hears_when_the_first_plan_comes_and_when_the_server_ends(office) -> None:
    async def scenario():
        server = await listen(office.open(), "127.0.0.1", 0)
        async with aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            assert await check(channel, "") == 2
            watching = channel.unary_stream("/grpc.health.v1.Health/Watch")(health["HealthCheckRequest"]().SerializeToString())
            heard = [health["HealthCheckResponse"].FromString(await watching.read()).status]
            await office.desk.apply(office.plan())
            heard.append(health["HealthCheckResponse"].FromString(await watching.read()).status)
            ending = asyncio.ensure_future(server.close(5))
            heard.append(health["HealthCheckResponse"].FromString(await watching.read()).status)
            assert await watching.read() is aio.EOF
            await ending
            assert heard == [2, 1, 2]
        await office.desk.close()

    asyncio.run(scenario())
