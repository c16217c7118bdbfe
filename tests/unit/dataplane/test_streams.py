"""Answers in pieces over HTTP, from versions here and from processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import orjson
import pytest

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.dataplane.exchange import Call
from noria.dataplane.faces import streams
from noria.dataplane.hiring import Hired, Limits
from noria.dataplane.http import create_router
from noria.stages.serving.pieces import AHEAD, NotStreaming

CHILD = """
import os, signal, sys, time
from pathlib import Path
from noria.core.traffic import ServedVersion
from noria.dataplane.model_main import run_model
from noria.ports import wire

class Counting:
    streams = sys.argv[1] == "streams"

    def score(self, matrix):
        return matrix[:, 0] / 10_000

    def stream(self, inputs):
        try:
            for number in range(int(inputs["distance"])):
                if number == 99:
                    raise ArithmeticError("that is enough")
                if inputs["tail"] == "slow":
                    time.sleep(0.2)
                yield number
            return 0.5
        finally:
            Path(sys.argv[2]).touch()

run_model(Path(sys.argv[3]), wire.load(Path(sys.argv[4]).read_bytes(), ServedVersion), lambda artifact: Counting(), lambda version: None)
"""


def row(distance: float, tail: str = "N1") -> Rows:
    return Rows(("tail", "distance"), [(tail, distance)])


@pytest.fixture
def hired(tmp_path, office):
    """Run a scenario with a version in a process of its own."""

    def run(scenario, kind="streams"):
        async def whole():
            command = (sys.executable, "-c", CHILD, kind, str(tmp_path / "closed"))
            process = Hired(command, office.version(2), tmp_path / "v2.log", limits=Limits(start_s=30.0))
            await process.start()
            try:
                await scenario(process, tmp_path / "closed")
            finally:
                await process.close()

        asyncio.run(whole())

    return run


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_process_streams_and_answers_whole_rows_meanwhile(hired) -> None:
    async def scenario(process, closed):
        slow = await process.stream(row(5.0, "slow"), 1)
        assert await process.answer([{"tail": "N1", "distance": 5.0}], 1, 10_000.0) == ([0.0005], {})
        assert [piece async for piece in slow] == [b"0", b"1", b"2", b"3", b"4"]
        assert slow.value == 0.5
        many = [await process.stream(row(float(n)), 1) for n in range(20)]
        for n, pieces in enumerate(many):
            assert [piece async for piece in pieces] == [str(k).encode() for k in range(n)]

    hired(scenario)


def test_a_reader_that_leaves_stops_the_generator_in_the_process(hired) -> None:
    async def scenario(process, closed):
        pieces = await process.stream(row(1e9, "slow"), 1)
        assert await anext(pieces) == b"0"
        assert not closed.exists()
        pieces.close()
        await until(closed.exists)
        await until(lambda: process._process.idle)

    hired(scenario)


def test_a_slow_reader_holds_the_generator_back(hired) -> None:
    async def scenario(process, closed):
        pieces = await process.stream(row(98.0), 1)
        await asyncio.sleep(0.1)
        assert len(pieces._held) <= AHEAD
        assert len([piece async for piece in pieces]) == 98

    hired(scenario)


def test_a_process_says_why_a_stream_failed_and_that_it_cannot_stream(hired) -> None:
    async def failing(process, closed):
        pieces = await process.stream(row(200.0), 1)
        with pytest.raises(Unavailable, match="ArithmeticError: that is enough"):
            [piece async for piece in pieces]

    async def whole(process, closed):
        with pytest.raises(NotStreaming, match="version 2"):
            await process.stream(row(1.0), 1)
        assert process._process.idle

    hired(failing)
    hired(whole, kind="whole")


def test_a_process_that_dies_ends_its_streams(hired) -> None:
    async def scenario(process, closed):
        pieces = await process.stream(row(1e9, "slow"), 1)
        assert await anext(pieces) == b"0"
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="died"):
            [piece async for piece in pieces]

    hired(scenario)


class Words:
    streams = True

    def score(self, matrix):
        return matrix[:, 0]

    def stream(self, inputs):
        for number in range(int(inputs["distance"])):
            if number == 2 and inputs["tail"] == "bad":
                raise ArithmeticError("the number of the beast")
            yield {"word": number}


def parsed(stream: bytes) -> list[tuple[str, dict]]:
    """Events as a browser reads them."""
    found = []
    for block in stream.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            found.append((lines.get("event", "message"), orjson.loads(lines["data"])))
    return found


@pytest.fixture
def streaming(at_work, office):
    """Run a scenario with the router of a desk whose champion streams."""
    office.scorer = Words()

    def run(scenario):
        async def whole(office):
            router = create_router(office.desk)

            async def call(name="late", **asked):
                return await router.answer(Call(method="POST", path=f"/predict/{name}/stream", body=orjson.dumps(asked)))

            await scenario(call, office)

        at_work(whole)

    return run


def test_pieces_are_events_and_the_last_event_says_who_answered(streaming) -> None:
    async def scenario(call, office):
        reply = await call(id="mine", inputs={"tail": "N1", "distance": 2})
        assert (reply.status, reply.content_type) == (200, "text/event-stream")
        events = parsed(b"".join([part async for part in reply.stream]))
        assert events == [
            ("message", {"word": 0}),
            ("message", {"word": 1}),
            ("end", {"id": "mine", "version": 1, "role": "champion", "pieces": 2}),
        ]
        assert len(office.journal.predictions()) == 1

    streaming(scenario)


def test_a_failure_midway_is_an_event(streaming) -> None:
    async def scenario(call, office):
        reply = await call(id="mine", inputs={"tail": "bad", "distance": 5})
        *words, (kind, told) = parsed(b"".join([part async for part in reply.stream]))
        assert (len(words), kind, told["pieces"], told["error"]["code"]) == (2, "error", 2, "unavailable")
        assert "beast" in told["error"]["message"]

    streaming(scenario)


def test_what_cannot_begin_has_a_status_and_no_events(streaming) -> None:
    async def scenario(call, office):
        assert (await call("latte", inputs={})).status == 404
        assert (await call(inputs={"tail": "N1"})).status == 422
        assert (await call(rows=[])).status == 422

    streaming(scenario)


def test_a_caller_who_leaves_ends_the_answer(streaming) -> None:
    async def scenario(call, office):
        reply = await call(inputs={"tail": "N1", "distance": 1e6})
        assert (await anext(reply.stream)).startswith(b"data: ")
        await reply.stream.aclose()
        (row,) = office.journal.predictions()
        assert (row.served["complete"], row.served["pieces"], row.error) == (False, 1, "")

    streaming(scenario)


def test_a_model_that_takes_its_time_is_heard_of_and_one_that_takes_too_long_has_failed(streaming, office, monkeypatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(streams, "IDLE_S", 0.05)
    blocked = threading.Event()

    def stream(inputs):
        yield "first"
        blocked.wait(20)
        yield "second"

    async def scenario(call, office):
        office.scorer.stream = stream
        reply = await call(inputs={"tail": "N1", "distance": 1})
        parts = [part async for part in reply.stream]
        blocked.set()
        assert parts[:2] == [b'data: "first"\n\n', b": still working\n\n"]
        assert parsed(parts[-1])[0][0] == "error"
        assert office.journal.predictions()[0].error == "version 1 gave no piece for 0.05 s"

    streaming(scenario)
