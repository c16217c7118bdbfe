"""Answers in pieces: in order, no faster than they are taken, and journalled as one."""

from __future__ import annotations

import asyncio
import threading

import pytest

from noria.core.errors import NotFound, RequestInvalid, Unavailable
from noria.core.traffic import Role
from noria.stages.serving.asks import Asking
from noria.stages.serving.pieces import AHEAD, PIECE_BYTES, NotStreaming, Pieces, in_a_thread

ROW = {"tail": "N1", "distance": 3.0}


class Counting:
    """Gives 0, 1, 2 … up to the distance, and remembers what it gave and that it was closed."""

    streams = True

    def __init__(self) -> None:
        self.given = 0
        self.closed = threading.Event()
        self.seen: dict = {}

    def score(self, matrix):
        return matrix[:, 0] / 10_000

    def stream(self, inputs):
        self.seen = dict(inputs)
        try:
            for number in range(int(inputs["distance"])):
                if number == 666:
                    raise ArithmeticError("the number of the beast")
                self.given += 1
                yield f"w{number} "
            if inputs["tail"] == "scored":
                return 0.75
        finally:
            self.closed.set()


async def all_of(streamed) -> list[bytes]:
    return [piece async for piece in streamed]


@pytest.fixture
def counting(at_work, office):
    """Run a scenario against a desk whose champion streams."""
    office.scorer = Counting()
    return lambda scenario, **plan: at_work(scenario, **plan)


def test_pieces_come_in_order_and_are_journalled_as_one_answer(counting) -> None:
    async def scenario(office):
        streamed = await office.desk.stream("late", ("mine", ROW))
        assert (streamed.id, streamed.version, streamed.role) == ("mine", 1, Role.CHAMPION)
        assert await all_of(streamed) == [b'"w0 "', b'"w1 "', b'"w2 "']
        streamed.close()
        assert office.scorer.seen == {**ROW, "wind": 1.0}
        (row,) = office.journal.predictions()
        assert (row.request_id, row.answer, row.error, dict(row.inputs)) == ("mine", 3.0, "", ROW)
        assert dict(row.served) == {"pieces": 3, "text": "w0 w1 w2 ", "complete": True}
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.failed) == (1, 1, 0)

    counting(scenario)


def test_the_number_that_a_generator_returns_is_the_answer_in_the_log(counting) -> None:
    async def scenario(office):
        await all_of(await office.desk.stream("late", (None, ROW | {"tail": "scored"})))
        assert office.journal.predictions()[0].answer == 0.75

    counting(scenario)


def test_a_generator_is_never_far_ahead_of_its_reader_and_is_closed_when_the_reader_leaves(counting) -> None:
    async def scenario(office):
        streamed = await office.desk.stream("late", (None, ROW | {"distance": 100_000.0}))
        taken = [await anext(streamed) for _ in range(40)]
        await asyncio.sleep(0.05)
        assert len(taken) <= office.scorer.given <= 40 + 2 * AHEAD
        streamed.close()
        assert await asyncio.to_thread(office.scorer.closed.wait, 10)
        assert office.scorer.given <= 40 + 2 * AHEAD
        (row,) = office.journal.predictions()
        assert (row.answer, row.error, row.served["pieces"], row.served["complete"]) == (40.0, "", 40, False)

    counting(scenario)


def test_a_failure_midway_comes_after_the_pieces_before_it(counting) -> None:
    async def scenario(office):
        streamed, taken = await office.desk.stream("late", (None, ROW | {"distance": 1_000.0})), []
        with pytest.raises(Unavailable, match="the number of the beast"):
            async for piece in streamed:
                taken.append(piece)
        assert len(taken) == 666
        (row,) = office.journal.predictions()
        assert (row.answer, row.error) == (None, "ArithmeticError: the number of the beast")
        assert 0 < len(row.served["text"]) <= 4_000
        assert office.desk.counters().failed == 1

    counting(scenario)


def test_what_does_not_fit_is_refused_before_anything_begins(counting) -> None:
    async def scenario(office):
        with pytest.raises(RequestInvalid):
            await office.desk.stream("late", (None, {"tail": "N1"}))
        with pytest.raises(NotFound):
            await office.desk.stream("latte", (None, ROW))
        with pytest.raises(NotFound):
            await office.desk.stream("late", (None, ROW), Asking(version=9))
        assert office.journal.frames == []

    counting(scenario)


def test_a_version_without_pieces_says_so(at_work) -> None:
    async def scenario(office):
        with pytest.raises(NotStreaming, match="version 1 gives its answers whole"):
            await office.desk.stream("late", (None, ROW))

    at_work(scenario)


def test_a_challenger_answers_its_share_and_the_champion_where_it_cannot_begin(counting) -> None:
    async def scenario(office):
        async def stream(rows, now_ms):
            if rows[0]["distance"] == 4.0:
                raise Unavailable("not now")
            return in_a_thread(lambda: iter(["mine"]))

        office.challengers[0].stream = stream
        streamed = await office.desk.stream("late", (None, ROW))
        assert (streamed.version, streamed.role, await all_of(streamed)) == (2, Role.CHALLENGER, [b'"mine"'])
        streamed = await office.desk.stream("late", (None, ROW | {"distance": 4.0}))
        assert (streamed.version, streamed.role, len(await all_of(streamed))) == (1, Role.FALLBACK, 4)
        told = [(row.version, row.role, row.error) for row in office.journal.predictions()[1:]]
        assert told == [(1, Role.FALLBACK, "challenger v2: not now"), (2, Role.CHALLENGER, "not now")]
        streamed = await office.desk.stream("late", (None, ROW), Asking(version=1))
        assert (streamed.version, streamed.role) == (1, Role.ASKED)
        streamed.close()

    counting(scenario, challenger=2, challenger_share=1.0)


def test_a_champion_that_cannot_begin_is_on_record(counting) -> None:
    async def scenario(office):
        async def stream(rows, now_ms):
            raise Unavailable("its process is down")

        office.challengers[0].stream = stream
        with pytest.raises(Unavailable, match="its process is down"):
            await office.desk.stream("late", (None, ROW), Asking(version=2))
        (row,) = office.journal.predictions()
        assert (row.version, row.role, row.error) == (2, Role.ASKED, "its process is down")

    counting(scenario, challenger=2)


@pytest.mark.parametrize(("piece", "why"), [(object(), "not JSON serializable"), ("x" * PIECE_BYTES, "at most")])
def test_a_piece_that_cannot_be_sent_ends_the_stream(piece, why) -> None:
    async def scenario():
        pieces = in_a_thread(lambda: iter([1, piece]))
        assert await anext(pieces) == b"1"
        with pytest.raises(Unavailable, match=why):
            await anext(pieces)

    asyncio.run(scenario())


def test_a_reader_that_is_cancelled_loses_no_piece() -> None:
    async def scenario():
        pieces = Pieces(lambda taken: None, lambda: None)
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        waiting.cancel()
        pieces.feed(b"1")
        pieces.finish("")
        assert [piece async for piece in pieces] == [b"1"]

    asyncio.run(scenario())


def test_an_answer_that_nobody_takes_is_closed_when_it_is_forgotten(counting) -> None:
    async def scenario(office):
        streamed = await office.desk.stream("late", (None, ROW | {"distance": 1e6}))
        del streamed
        assert await asyncio.to_thread(office.scorer.closed.wait, 10)
        assert office.journal.predictions()[0].served["complete"] is False

    counting(scenario)
