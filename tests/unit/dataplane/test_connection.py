"""What a connection does with callers of every kind: hasty, slow, rude, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from noria.core.errors import NoriaError
from noria.dataplane.exchange import Call, Endpoint, Face, Reply, said
from noria.dataplane.guard import Guard
from noria.dataplane.house import House
from noria.dataplane.limits import Load, RequestLimits
from noria.dataplane.listening import listen
from noria.dataplane.ports import listening
from noria.dataplane.router import Router


class Stage:
    """A house with endpoints that echo, wait and stream; `quick` targets are answered in the tick, or when `held` is let go."""

    def __init__(self, **limits: int) -> None:
        self.gate = asyncio.Event()
        self.held: list = []
        self.begun = self.closed = self.cancelled = False
        face = Face(
            name="test",
            prefixes=("/",),
            endpoints=(
                Endpoint(method="POST", pattern="/echo", handler=self.echo, open=True),
                Endpoint(method="GET", pattern="/slow", handler=self.slow, open=True),
                Endpoint(method="GET", pattern="/stream", handler=self.stream, open=True),
            ),
            refusal=lambda error, status: said({"error": error.code, "status": status}, status),
        )
        self.house = House(Router([face], guard=Guard(), load=Load(RequestLimits())), fast=self.fast, limits=RequestLimits(**limits))

    def fast(self, target, body, shown, give) -> bool:
        if target == b"/held":
            self.held.append(give)
        elif target == b"/quick":
            give(200, body)
        return target in (b"/held", b"/quick")

    async def echo(self, call: Call) -> Reply:
        return said(
            {"method": call.method, "path": call.path, "query": call.query, "body": call.body.decode(), "x": call.headers.get("x", "")}
        )

    async def slow(self, call: Call) -> Reply:
        self.begun = True
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return said({"slow": True}, headers=(("x-told", "a\r\nset-cookie: b"),))

    async def stream(self, call: Call) -> Reply:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65_536
                    await asyncio.sleep(0)
                    if self.gate.is_set():
                        return
            finally:
                self.closed = True

        return Reply(stream=pieces(), content_type="text/plain")


class Talk:
    """A raw caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, *lines: str, body: bytes = b"") -> None:
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def post(self, path: str, body: bytes = b"", *headers: str) -> None:
        self.say(f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, body=body)

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def ended(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


def staged(scenario, **limits) -> None:
    async def whole() -> None:
        stage = Stage(**limits)
        serving = asyncio.create_task(listen(stage.house, listening("127.0.0.1", 0, shared=False), drain_s=1.0))
        while not stage.house.port:
            await asyncio.sleep(0)
        talks: list[Talk] = []

        async def call() -> Talk:
            talks.append(Talk(*await asyncio.open_connection("127.0.0.1", stage.house.port)))
            return talks[-1]

        try:
            await asyncio.wait_for(scenario(stage, call), 60)
        finally:
            for talk in talks:
                talk.writer.close()
            stage.gate.set()
            stage.house.end()
            await serving
            assert stage.house.in_flight == 0

    asyncio.run(whole())


def test_a_call_arrives_whole_however_it_is_cut_and_chunked() -> None:
    async def scenario(stage, call):
        talk = await call()
        message = b"POST /echo%20?a=1#no HTTP/1.1\r\nHost: x\r\nX: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".replace(
            b"%20", b""
        )
        for byte in message:
            talk.writer.write(bytes([byte]))
            await talk.writer.drain()
            await asyncio.sleep(0)
        status, headers, body = await talk.hear()
        assert status == 200
        assert orjson.loads(body) == {"method": "POST", "path": "/echo", "query": "a=1", "body": "abcde", "x": "é"}
        assert "date" in headers

    staged(scenario)


def test_answers_come_in_the_order_asked_whatever_is_ready_first() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("GET /slow HTTP/1.1", "host: x")
        talk.post("/quick", b"1")
        talk.post("/held", b"2")
        talk.post("/echo", b"3")
        talk.post("/quick", b"4")
        while not stage.held:
            await asyncio.sleep(0.001)
        stage.held[0](200, b"22")
        stage.gate.set()
        heard = [await talk.hear() for _ in range(5)]
        assert [status for status, _, _ in heard] == [200] * 5
        assert [body for _, _, body in heard[1:3]] == [b"1", b"22"]
        assert orjson.loads(heard[3][2])["body"] == "3"
        assert heard[4][2] == b"4"

    staged(scenario)


def test_a_header_carries_no_second_one_with_it() -> None:
    async def scenario(stage, call):
        stage.gate.set()
        talk = await call()
        talk.say("GET /slow HTTP/1.1", "host: x")
        _, headers, _ = await talk.hear()
        assert headers["x-told"] == "a  set-cookie: b"

    staged(scenario)


def test_a_caller_who_asks_first_is_told_to_go_on() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("POST /quick HTTP/1.1", "host: x", "content-length: 2", "expect: 100-continue")
        assert await talk.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        talk.writer.write(b"ok")
        assert (await talk.hear())[0] == 404  # looked at whole, and there is no such endpoint

    staged(scenario)


@pytest.mark.parametrize(
    ("said_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"y" * 3_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 3_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
        (b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n" + b"y" * 1_001, 413),
    ],
)
def test_what_is_refused_says_why_and_ends_the_connection(said_, status) -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.writer.write(said_)
        heard, headers, body = await talk.hear()
        assert (heard, headers["connection"]) == (status, "close")
        assert orjson.loads(body)["status"] == status
        assert await talk.ended()

    staged(scenario, header_bytes=2_000, body_bytes=1_000)


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("GET /slow HTTP/1.1", "host: x")
        talk.writer.write(b"nonsense\r\n\r\n")
        await asyncio.sleep(0.05)
        stage.gate.set()
        assert (await talk.hear())[0] == 200
        assert (await talk.hear())[0] == 400
        assert await talk.ended()

    staged(scenario)


def test_connections_and_requests_beyond_the_limit_are_told_to_come_back() -> None:
    async def scenario(stage, call):
        one, two = await call(), await call()
        one.say("GET /slow HTTP/1.1", "host: x")
        while not stage.house.in_flight:
            await asyncio.sleep(0.001)
        two.post("/quick")
        status, headers, _ = await two.hear()
        assert (status, headers["retry-after"]) == (503, "1")
        three = await call()
        assert (await three.hear())[0] == 503
        assert await three.ended()
        stage.gate.set()
        assert (await one.hear())[0] == 200
        two.post("/quick", b"now")
        assert (await two.hear())[2] == b"now"

    staged(scenario, connections=2, in_flight=1)


def test_whoever_takes_too_long_is_cut() -> None:
    async def scenario(stage, call):
        idle, sending, waiting = await call(), await call(), await call()
        sending.writer.write(b"POST /quick HTTP/1.1\r\nhost")
        waiting.say("GET /slow HTTP/1.1", "host: x")
        while not stage.house.in_flight or not any(one.receiving for one in stage.house.open):
            await asyncio.sleep(0.001)
        for connection in list(stage.house.open):
            connection.tidy(stage.house.now + 6)
        assert (await sending.hear())[0] == 408
        assert await sending.ended()
        assert not idle.reader.at_eof()
        for connection in list(stage.house.open):
            connection.tidy(stage.house.now + 11)
        assert await idle.ended()
        stage.gate.set()
        assert (await waiting.hear())[0] == 200

    staged(scenario, idle_s=10, receive_s=5)


def test_a_caller_who_takes_nothing_is_cut_and_its_stream_is_closed() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("GET /stream HTTP/1.1", "host: x")
        while not any(one.blocked for one in stage.house.open):
            await asyncio.sleep(0.001)
        for connection in list(stage.house.open):
            connection.tidy(stage.house.now + 31)
        while not stage.closed:
            await asyncio.sleep(0.001)

    staged(scenario)


def test_a_stream_comes_in_pieces_and_ends() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("GET /stream HTTP/1.1", "host: x")
        head = await talk.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert await talk.reader.readuntil(b"\r\n") == b"10000\r\n"
        stage.gate.set()
        talk.post("/quick", b"next")
        rest = b""
        while not rest.endswith(b"next"):
            rest += await talk.reader.read(1 << 16)
        assert b"\r\n0\r\n\r\nHTTP/1.1 200 OK" in rest
        assert stage.closed

    staged(scenario)


def test_an_old_callers_stream_ends_with_the_connection() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("GET /stream HTTP/1.0")
        head = await talk.reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" in head
        assert b"chunked" not in head
        stage.gate.set()
        assert set(await talk.reader.read()) == set(b"x")

    staged(scenario)


def test_whoever_leaves_has_nothing_done_for_him_any_more() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.say("GET /slow HTTP/1.1", "host: x")
        talk.post("/held")
        while not stage.held or not stage.begun:
            await asyncio.sleep(0.001)
        talk.writer.transport.abort()
        while not stage.cancelled:
            await asyncio.sleep(0.001)
        stage.held[0](200, b"too late")
        assert stage.house.in_flight == 0

    staged(scenario)


def test_head_and_old_callers_are_answered() -> None:
    async def scenario(stage, call):
        stage.gate.set()
        talk = await call()
        talk.say("HEAD http://noria/slow HTTP/1.1", "host: x")
        head = await talk.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"content-length: 13" in head
        talk.say("GET /slow HTTP/1.0")
        status, headers, body = await talk.hear()
        assert (status, headers["connection"], body) == (200, "close", b'{"slow":true}')
        assert await talk.ended()

    staged(scenario)


def test_an_offer_of_another_protocol_is_passed_over() -> None:
    async def scenario(stage, call):
        stage.gate.set()
        talk = await call()
        talk.say("GET /slow HTTP/1.1", "host: x", "connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AA")
        assert (await talk.hear())[0] == 200

    staged(scenario)


def test_the_end_waits_for_what_is_under_way() -> None:
    async def scenario(stage, call):
        idle, talk = await call(), await call()
        talk.say("GET /slow HTTP/1.1", "host: x")
        while not stage.house.in_flight:
            await asyncio.sleep(0.001)
        stage.house.end()
        assert await idle.ended()
        stage.gate.set()
        status, headers, _ = await talk.hear()
        assert (status, headers["connection"]) == (200, "close")

    staged(scenario)


def test_an_error_of_the_routers_own_making_reaches_the_caller() -> None:
    async def scenario(stage, call):
        talk = await call()
        talk.post("/nowhere")
        status, _, body = await talk.hear()
        assert (status, orjson.loads(body)["error"]) == (404, "not-found")
        assert issubclass(NoriaError, Exception)

    staged(scenario)
