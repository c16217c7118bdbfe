from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from noria.cli.traffic import Columns, Sent, Slice, Stream, slices
from noria.core.errors import Unavailable

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


def record(file: Path, minutes: list[int], *, known: list[bool | None] | None = None) -> Path:
    pl.DataFrame(
        {
            "flight_id": [f"F{n}" for n in range(len(minutes))],
            "scheduled_at": [NOON + timedelta(minutes=m) for m in minutes],
            "carrier": ["UA"] * len(minutes),
            "late": pl.Series(known or [False] * len(minutes), dtype=pl.Boolean),
            "outcome_at": [NOON + timedelta(minutes=m, days=1) for m in minutes],
        }
    ).write_parquet(file)
    return file


def ids(one: Slice) -> list[str]:
    return [json.loads(body)["id"] for _, body in one.requests]


def test_slices_begin_at_five_past_and_hold_what_happens_in_them(tmp_path: Path) -> None:
    cut = list(slices(record(tmp_path / "t.parquet", [0, 4, 5, 64, 65])))
    assert [ids(one) for one in cut[:3]] == [["F0", "F1"], ["F2", "F3"], ["F4"]]
    assert cut[0].start == NOON - timedelta(minutes=55)
    assert all(one.end - one.start == timedelta(hours=1) for one in cut)
    assert all(later.start == earlier.end for earlier, later in pairwise(cut))


def test_a_request_carries_its_inputs_and_never_its_outcome(tmp_path: Path) -> None:
    (ms, body), *_ = next(slices(record(tmp_path / "t.parquet", [0]))).requests
    assert ms == NOON.timestamp() * 1000
    assert json.loads(body) == {"id": "F0", "inputs": {"flight_id": "F0", "carrier": "UA", "scheduled_at": "2013-04-01T12:00:00.000Z"}}


def test_outcomes_come_when_they_are_told_and_those_never_known_never_come(tmp_path: Path) -> None:
    cut = list(slices(record(tmp_path / "t.parquet", [0, 1, 70], known=[True, None, False])))
    told = [(one.start, outcome) for one in cut for outcome in one.outcomes]
    assert [outcome["id"] for _, outcome in told] == ["F0", "F2"]
    assert told[0] == (NOON + timedelta(days=1, minutes=-55), {"id": "F0", "value": True, "time": "2013-04-02T12:00:00.000Z"})
    assert cut[-1].outcomes == [told[1][1]]


def test_a_long_recording_is_read_in_pieces_and_nothing_falls_between_them(tmp_path: Path) -> None:
    minutes = list(range(0, 60 * 24 * 70, 601))
    cut = list(slices(record(tmp_path / "t.parquet", minutes)))
    assert [one for part in cut for one in ids(part)] == [f"F{n}" for n in range(len(minutes))]
    assert sum(len(part.outcomes) for part in cut) == len(minutes)
    assert len(cut) == len({part.start for part in cut})


def test_other_column_names_and_times_without_a_zone_are_welcome(tmp_path: Path) -> None:
    pl.DataFrame(
        {"ride": [7], "at": [NOON.replace(tzinfo=None)], "fare": [9.5], "tip": [2.0], "known": [NOON.replace(tzinfo=None)]}
    ).write_parquet(tmp_path / "t.parquet")
    (one,) = slices(tmp_path / "t.parquet", columns=Columns(id="ride", time="at", label="tip", told="known"))
    assert json.loads(one.requests[0][1]) == {"id": "7", "inputs": {"ride": 7, "fare": 9.5, "at": "2013-04-01T12:00:00.000Z"}}
    assert one.outcomes == [{"id": "7", "value": 2.0, "time": "2013-04-01T12:00:00.000Z"}]


Reply = bytes | None
Behaviour = Callable[[str, dict[str, Any]], Awaitable[Reply]]


def ok(body: dict[str, Any], status: str = "200 OK") -> bytes:
    text = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text


@asynccontextmanager
async def plane(behave: Behaviour, port: int = 0) -> AsyncIterator[int]:
    """A data plane of a few lines: `behave` gives the bytes of an answer, or None to break the connection."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                reply = await behave(head.split(" ")[1], json.loads(await reader.readexactly(length)))
                if reply is None:
                    return
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


async def answering(path: str, asked: dict[str, Any]) -> Reply:
    return ok({"id": asked["id"], "version": 2, "prediction": 0.25, "role": "champion"})


def asked(count: int) -> list[bytes]:
    return [json.dumps({"id": f"F{n}", "inputs": {}}).encode() for n in range(count)]


def run(behave: Behaviour, count: int, **options: Any) -> Sent:
    async def main() -> Sent:
        async with plane(behave) as port, Stream("127.0.0.1", port, **options) as stream:
            return await stream.predict_many("late-arrival", asked(count))

    return asyncio.run(main())


def test_every_request_is_answered_and_counted_by_role_and_version() -> None:
    sent = run(answering, 50, connections=4)
    assert (sent.answered, sent.failed, sent.resent) == (50, 0, 0)
    assert sent.roles == {"champion": 50}
    assert sent.versions == {2: 50}
    assert len(sent.latencies_us) == 50


def test_nothing_to_send_needs_no_server() -> None:
    async def main() -> Sent:
        async with Stream("127.0.0.1", 1) as stream:
            return await stream.predict_many("late-arrival", [])

    assert asyncio.run(main()) == Sent()


def test_a_mapping_is_sent_as_json_just_as_bytes_are() -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    async def watch(path: str, asked: dict[str, Any]) -> Reply:
        seen.append((path, asked))
        return await answering(path, asked)

    async def main() -> Sent:
        async with plane(watch) as port, Stream("127.0.0.1", port) as stream:
            return await stream.predict_many("churn", [{"id": "a", "inputs": {"x": 1.5}}])

    assert asyncio.run(main()).answered == 1
    assert seen == [("/predict/churn", {"id": "a", "inputs": {"x": 1.5}})]


def test_no_connection_ever_has_two_requests_under_way() -> None:
    under_way, most = 0, 0

    async def slow(path: str, asked: dict[str, Any]) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return await answering(path, asked)

    assert run(slow, 40, connections=3).answered == 40
    assert most == 3


def test_a_broken_connection_sends_the_same_request_again_and_no_other() -> None:
    seen: Counter[str] = Counter()

    async def breaks(path: str, asked: dict[str, Any]) -> Reply:
        seen[asked["id"]] += 1
        return None if asked["id"] in ("F3", "F7") and seen[asked["id"]] == 1 else await answering(path, asked)

    sent = run(breaks, 20, connections=4)
    assert (sent.answered, sent.failed, sent.resent) == (20, 0, 2)
    assert seen == {f"F{n}": 2 if n in (3, 7) else 1 for n in range(20)}


def test_a_request_that_always_breaks_its_connection_fails_alone_after_its_tries() -> None:
    async def breaks(path: str, asked: dict[str, Any]) -> Reply:
        return None if asked["id"] == "F3" else await answering(path, asked)

    sent = run(breaks, 10, connections=2, retries=3)
    assert (sent.answered, sent.failed, sent.resent) == (9, 1, 3)
    assert "no answer" in sent.errors[0]


def test_a_busy_server_is_asked_again_and_a_refusal_is_not() -> None:
    seen: Counter[str] = Counter()

    async def picky(path: str, asked: dict[str, Any]) -> Reply:
        seen[asked["id"]] += 1
        if asked["id"] == "F1" and seen["F1"] == 1:
            return ok({"code": "unavailable"}, "503 Service Unavailable")
        if asked["id"] == "F2":
            return ok({"code": "request-invalid"}, "422 Unprocessable Entity")
        return await answering(path, asked)

    sent = run(picky, 4, connections=2)
    assert (sent.answered, sent.failed) == (3, 1)
    assert sent.errors[0].startswith("422: ")
    assert seen == {"F0": 1, "F1": 2, "F2": 1, "F3": 1}


def test_what_is_no_http_and_what_is_no_prediction_are_failures_not_crashes() -> None:
    async def babble(path: str, asked: dict[str, Any]) -> Reply:
        return b"HTCPCP/1.0 teapot\r\n\r\n" if asked["id"] == "F0" else b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhm"

    sent = run(babble, 2, retries=1)
    assert (sent.answered, sent.failed) == (0, 2)


def test_a_server_that_closes_after_each_answer_is_served_with_new_connections() -> None:
    async def close_after(path: str, asked: dict[str, Any]) -> Reply:
        reply = await answering(path, asked)
        assert reply is not None
        return reply.replace(b"content-type", b"connection: close\r\ncontent-type")

    sent = run(close_after, 9, connections=2)
    assert (sent.answered, sent.failed, sent.resent) == (9, 0, 0)


def test_a_server_that_is_not_there_is_waited_for_and_then_given_up() -> None:
    async def main() -> Sent:
        async with Stream("127.0.0.1", 1, patience_s=0.1) as stream:
            return await stream.predict_many("late-arrival", asked(3))

    sent = asyncio.run(main())
    assert (sent.answered, sent.failed) == (0, 3)


def test_a_server_that_dies_and_comes_back_loses_nothing() -> None:
    async def main() -> Sent:
        seen = 0
        died = asyncio.Event()

        async def dying(path: str, asked: dict[str, Any]) -> Reply:
            nonlocal seen
            seen += 1
            if seen > 5:
                died.set()
                return None
            return await answering(path, asked)

        async with plane(dying) as port:
            stream = Stream("127.0.0.1", port, connections=2)
            sending = asyncio.create_task(stream.predict_many("late-arrival", asked(30)))
            await died.wait()
        async with plane(answering, port):
            sent = await sending
            await stream.close()
        return sent

    sent = asyncio.run(main())
    assert (sent.answered, sent.failed) == (30, 0)
    assert sent.resent >= 1


def test_an_answer_that_takes_too_long_is_asked_for_again() -> None:
    seen: Counter[str] = Counter()

    async def sleepy(path: str, asked: dict[str, Any]) -> Reply:
        seen[asked["id"]] += 1
        if asked["id"] == "F0" and seen["F0"] == 1:
            await asyncio.sleep(30)
        return await answering(path, asked)

    sent = run(sleepy, 3, connections=2, timeout_s=0.1)
    assert (sent.answered, sent.failed, sent.resent) == (3, 0, 1)


def test_outcomes_go_in_bulk_of_ten_thousand_at_most() -> None:
    sizes: list[int] = []

    async def take(path: str, asked: dict[str, Any]) -> Reply:
        assert path == "/feedback/late-arrival"
        sizes.append(len(asked["outcomes"]))
        return ok({"taken": len(asked["outcomes"])})

    async def main() -> int:
        async with plane(take) as port, Stream("127.0.0.1", port) as stream:
            return await stream.feedback("late-arrival", [{"id": str(n), "value": True} for n in range(20_001)])

    assert asyncio.run(main()) == 20_001
    assert sorted(sizes) == [1, 10_000, 10_000]


def test_outcomes_that_are_not_taken_say_so() -> None:
    async def refuse(path: str, asked: dict[str, Any]) -> Reply:
        return ok({"code": "not-found"}, "404 Not Found")

    async def main() -> None:
        async with plane(refuse) as port, Stream("127.0.0.1", port) as stream:
            await stream.feedback("late-arrival", [{"id": "a", "value": 1}])

    with pytest.raises(Unavailable, match="404"):
        asyncio.run(main())
