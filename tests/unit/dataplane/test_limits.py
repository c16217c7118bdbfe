"""How much is taken on: rows, seconds, calls under way; and that nothing stays counted that has ended."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from noria.core.errors import NoriaError
from noria.dataplane import limits as limiting
from noria.dataplane.exchange import Call, Endpoint, Face, Refused, Reply, said
from noria.dataplane.guard import Guard
from noria.dataplane.limits import Load, RequestLimits
from noria.dataplane.router import Router

ROW = {"tail": "N1", "distance": 1_000.0}


def refusal(error: NoriaError, status: int) -> Reply:
    return said({"code": error.code}, status)


def post(name: str) -> Call:
    return Call(method="POST", path=f"/ask/{name}")


def asking(limits: RequestLimits, handler) -> tuple[Router, Load]:
    load = Load(limits)
    endpoints = [Endpoint(method=method, pattern="/ask/{name}", handler=handler) for method in ("POST", "GET")]
    return Router([Face(name="t", prefixes=("/",), endpoints=endpoints, refusal=refusal)], guard=Guard(), load=load), load


def test_a_deployment_over_its_share_is_told_so_and_others_still_answer() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def handler(call: Call) -> Reply:
            await gate.wait()
            return Reply()

        router, load = asking(RequestLimits(in_flight=3, in_flight_per_deployment=2), handler)
        waiting = [asyncio.ensure_future(router.answer(post("late"))) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await router.answer(post("late"))
        assert (refused.status, dict(refused.headers)["retry-after"]) == (429, "1")
        waiting.append(asyncio.ensure_future(router.answer(post("slow"))))
        await asyncio.sleep(0)
        full = await router.answer(post("third"))
        assert (full.status, dict(full.headers)["retry-after"]) == (503, "1")
        waiting.append(asyncio.ensure_future(router.answer(Call(method="GET", path="/ask/late"))))
        gate.set()
        assert [reply.status for reply in await asyncio.gather(*waiting)] == [200] * 4
        assert load.in_flight == 0
        assert (await router.answer(post("late"))).status == 200

    asyncio.run(scenario())


def test_a_call_that_takes_too_long_is_ended_and_others_go_on(monkeypatch) -> None:
    monkeypatch.setattr(limiting, "SWEEP_S", 0.01)

    async def scenario() -> None:
        ended = []

        async def handler(call: Call) -> Reply:
            if call.names["name"] == "late":
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.append(True)
            return Reply()

        router, load = asking(RequestLimits(seconds=0.02), handler)
        late = asyncio.ensure_future(router.answer(post("late")))
        assert (await router.answer(post("quick"))).status == 200
        assert (await late).status == 504
        assert (ended, load.in_flight) == ([True], 0)
        assert not late.cancelled()
        await asyncio.sleep(0.05)
        assert (await router.answer(post("quick"))).status == 200

    asyncio.run(scenario())


def test_a_call_that_its_transport_cancels_stays_cancelled() -> None:
    async def scenario() -> None:
        async def handler(call: Call) -> Reply:
            await asyncio.sleep(60)
            return Reply()

        router, load = asking(RequestLimits(), handler)
        asked = asyncio.ensure_future(router.answer(post("late")))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert load.in_flight == 0

    asyncio.run(scenario())


def test_a_stream_counts_until_it_ends() -> None:
    async def scenario() -> None:
        async def pieces():
            yield b"1"
            yield b"2"

        async def handler(call: Call) -> Reply:
            return Reply(stream=pieces())

        router, load = asking(RequestLimits(), handler)
        reply = await router.answer(post("late"))
        async for _ in reply.stream:
            assert load.in_flight == 1
        assert load.in_flight == 0

    asyncio.run(scenario())


def test_a_failure_is_counted_out() -> None:
    async def scenario() -> None:
        async def handler(call: Call) -> Reply:
            raise Refused("not-json", "no")

        router, load = asking(RequestLimits(), handler)
        assert (await router.answer(post("late"))).status == 400
        assert load.in_flight == 0

    asyncio.run(scenario())


def test_a_packed_body_is_unpacked_for_every_protocol_up_to_the_limit(calling) -> None:
    async def scenario(call, office):
        for path, body in (
            ("/predict/late", b'{"inputs": {"tail": "N1", "distance": 1}}'),
            ("/invocations", b'{"instances": [["N1", 1]]}'),
        ):
            assert (await call("POST", path, gzip.compress(body), content_encoding="gzip")).status == 200
            assert (await call("POST", path, gzip.compress(bytes(5_000)), content_encoding="gzip")).status == 413
            assert (await call("POST", path, body, content_encoding="br")).status == 415

    calling(scenario, limits=RequestLimits(body_bytes=4_000))


def test_rows_are_limited_in_every_protocol(calling) -> None:
    async def scenario(call, office):
        office.desk.row_limit = 2
        for path, body in (("/predict/late", {"rows": [{"inputs": ROW}] * 3}), ("/invocations", {"instances": [ROW] * 3})):
            answer = await call("POST", path, body)
            assert answer.status in (400, 422) and b"at most 2" in answer.body
        assert office.desk.counters().invalid == 2

    calling(scenario)
