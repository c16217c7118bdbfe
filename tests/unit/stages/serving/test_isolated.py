"""An isolated champion: what happens in its processes costs only the rows that it happens to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.stages.serving import ending, isolated
from noria.stages.serving.desk import Desk
from noria.stages.serving.isolated import Isolation
from noria.stages.serving.pieces import NotStreaming, Pieces
from noria.stages.serving.processes import ProcessGone

DEADLY, WRONG, ENDLESS = 11.0, 666.0, 99.0


class FakeProcess:
    """Answers distance / 10,000; dies on 11, fails on 666, never answers 99; is up again when `mended` is set."""

    def __init__(self, told: Callable[[str], object]) -> None:
        self.told = told
        self.batches: list[list[float]] = []
        self.mended = asyncio.Event()
        self.mended.set()
        self.stays_down = self.closed = False
        self.slow_s = 0.0

    @property
    def problem(self) -> str:
        return "" if self.mended.is_set() else "its process is down"

    async def up(self) -> None:
        await self.mended.wait()

    async def answer(self, rows: Rows, now_ms: int, timeout_ms: float) -> tuple[list[float], dict[str, list[Any]]]:
        distances = [float(row["distance"]) for row in rows]
        self.batches.append(distances)
        await asyncio.sleep(self.slow_s)
        if DEADLY in distances:
            self._gone("killed")
            raise ProcessGone("its process died of signal 11")
        if ENDLESS in distances:
            await asyncio.sleep(60)
        if WRONG in distances:
            raise Unavailable("ArithmeticError: the number of the beast")
        return [distance / 10_000 for distance in distances], {"wind": [1.0] * len(distances)}

    def recycle(self, why: str) -> None:
        self._gone(why)

    def _gone(self, why: str) -> None:
        self.told(why)
        if self.stays_down:
            self.mended.clear()

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def apart(office):
    """Run a scenario against a desk whose champion is isolated in so many fake processes."""

    def run(scenario, processes: int = 1, timeout_ms: float = 200.0):
        office.processes = []

        async def hire(version, told):
            if version.number in office.unloadable:
                raise Unavailable("it ended at once")
            office.processes.append(FakeProcess(told))
            return office.processes[-1]

        async def whole():
            isolation = Isolation(processes=processes, timeout_ms=timeout_ms)
            office.desk = Desk(
                load=office.load, hire=hire, journal=office.journal, clock=office.clock, isolation=isolation, sync_every_s=0.005
            )
            try:
                await office.desk.apply(plan(office))
                await scenario(office)
            finally:
                await office.desk.close()

        asyncio.run(whole())
        counters = office.desk.counters()
        assert counters.requests == counters.logged + counters.sampled_out + counters.dropped
        return office

    return run


def plan(office, revision: int = 1, number: int = 1, **changes):
    whole = office.plan(revision, **changes)
    route = whole.routes["late"]
    return type(whole)(revision=revision, routes={"late": type(route)(deployment="late", champion=office.version(number, isolated=True))})


def test_rows_that_come_while_it_computes_are_asked_together_and_journalled(apart) -> None:
    async def scenario(office):
        office.processes[0].slow_s = 0.01
        answers = await asyncio.gather(*(office.ask(float(100 + n)) for n in range(40)))
        assert [one.prediction for (one,) in answers] == [(100 + n) / 10_000 for n in range(40)]
        assert len(office.processes[0].batches) <= 3
        assert {(row.answer, row.served["wind"]) for row in office.journal.predictions()} == {((100 + n) / 10_000, 1.0) for n in range(40)}

    assert apart(scenario).loaded == []


def test_a_row_that_kills_its_process_takes_no_neighbour_with_it(apart) -> None:
    async def scenario(office):
        office.processes[0].slow_s = 0.01
        asked = [1.0, DEADLY, 3.0, WRONG, 5.0]
        answers = await asyncio.gather(*(office.ask(distance) for distance in asked), return_exceptions=True)
        assert [answer[0].prediction for answer in (answers[0], answers[2], answers[4])] == [1e-4, 3e-4, 5e-4]
        assert "died of signal 11, twice" in str(answers[1])
        assert "the number of the beast" in str(answers[3])
        assert office.desk.counters().failed == 2
        assert office.desk.restarts == {("late", 1, "killed"): 2}

    apart(scenario)


def test_a_hang_ends_in_time_and_the_others_are_answered_by_the_next_process(apart) -> None:
    async def scenario(office):
        hung = asyncio.ensure_future(office.ask(ENDLESS))
        await asyncio.sleep(0.05)
        later = asyncio.ensure_future(office.ask(7.0))
        with pytest.raises(Unavailable, match="no answer within 200 ms"):
            await hung
        assert (await later)[0].prediction == 7e-4
        assert office.desk.restarts == {("late", 1, "hang"): 1}

    apart(scenario)


def test_while_its_process_is_down_rows_wait_as_long_as_they_may_and_the_reason_is_told(apart) -> None:
    async def scenario(office):
        process = office.processes[0]
        process.stays_down = True
        with pytest.raises(Unavailable, match="no answer within 200 ms: v1: its process is down"):
            await office.ask(DEADLY)
        assert office.desk.problems() == {"late": "v1: its process is down"}
        waiting = asyncio.ensure_future(office.ask(4.0))
        await asyncio.sleep(0.02)
        process.mended.set()
        assert (await waiting)[0].prediction == 4e-4
        assert office.desk.problems() == {}

    apart(scenario)


def test_a_second_process_answers_while_the_first_hangs(apart) -> None:
    async def scenario(office):
        hung = asyncio.ensure_future(office.ask(ENDLESS))
        await asyncio.sleep(0.01)
        assert [(await office.ask(float(n)))[0].prediction for n in range(5)] == [n / 10_000 for n in range(5)]
        assert not hung.done()
        with pytest.raises(Unavailable):
            await hung

    office = apart(scenario, processes=2)
    assert [process.closed for process in office.processes] == [True, True]


def test_more_rows_than_may_wait_are_refused_at_once(apart, monkeypatch) -> None:
    monkeypatch.setattr(isolated, "ROWS_WAITING", 10)

    async def scenario(office):
        office.processes[0].slow_s = 0.02
        busy = asyncio.ensure_future(office.ask(1.0))
        await asyncio.sleep(0.005)
        with pytest.raises(Unavailable, match="more than 10 rows wait"):
            await office.ask(*map(float, range(100, 130)))
        await busy

    apart(scenario, timeout_ms=5_000.0)


def test_a_swap_lets_rows_under_way_end_on_the_version_that_has_them(apart) -> None:
    async def scenario(office):
        office.processes[0].slow_s = 0.03
        before = asyncio.ensure_future(office.ask(1.0))
        await asyncio.sleep(0.005)
        await office.desk.apply(plan(office, 2, number=2))
        assert (await before)[0].version == 1
        assert (await office.ask(2.0))[0].version == 2
        assert [process.closed for process in office.processes] == [True, False]

    apart(scenario)


def test_one_that_does_not_load_leaves_the_old_one_at_work(apart) -> None:
    async def scenario(office):
        office.unloadable.add(2)
        await office.desk.apply(plan(office, 2, number=2))
        assert office.desk.problems() == {"late": "it ended at once"}
        assert (await office.ask(1.0))[0].version == 1

    apart(scenario)


def test_a_fault_of_the_desk_itself_ends_the_request_and_the_next_is_answered(apart, monkeypatch, caplog) -> None:
    async def scenario(office):
        with monkeypatch.context() as broken:
            broken.setattr(ending, "frame", None)
            with pytest.raises(Unavailable, match="the desk failed: TypeError"):
                await office.ask(1.0)
        assert (await office.ask(2.0))[0].prediction == 2e-4

    apart(scenario)


class Telling(FakeProcess):
    """Tells the distance's digits as pieces, and no end before `over`."""

    def __init__(self, told) -> None:
        super().__init__(told)
        self.told_pieces: list[Pieces] = []
        self.gone = False

    async def stream(self, rows: Rows, now_ms: int) -> Pieces:
        if self.gone:
            raise ProcessGone("its process is down")
        if rows[0]["distance"] == 0:
            raise NotStreaming(1)
        pieces = Pieces(lambda taken: None, lambda: None)
        pieces.feed(b"1")
        self.told_pieces.append(pieces)
        return pieces


def test_answers_in_pieces_are_shared_out_among_the_processes_that_live(apart, monkeypatch) -> None:
    monkeypatch.setattr(f"{__name__}.FakeProcess", Telling)

    async def scenario(office):
        row = {"tail": "N1", "distance": 1.0}
        told = [await office.desk.stream("late", (None, row)) for _ in range(4)]
        first, second = office.processes
        assert (len(first.told_pieces), len(second.told_pieces)) == (2, 2)
        first.gone = True
        told.append(await office.desk.stream("late", (None, row)))
        assert len(second.told_pieces) == 3
        second.gone = True
        with pytest.raises(Unavailable, match="its process is down"):
            await office.desk.stream("late", (None, row))
        assert office.journal.predictions()[-1].error == "its process is down"
        for process in office.processes:
            for pieces in process.told_pieces:
                pieces.finish("")
        assert [[piece async for piece in one] for one in told] == [[b"1"]] * 5

    apart(scenario, processes=2)


def test_a_version_that_is_taken_out_of_service_may_end_its_answers(apart, monkeypatch) -> None:
    monkeypatch.setattr(f"{__name__}.FakeProcess", Telling)

    async def scenario(office):
        streamed = await office.desk.stream("late", (None, {"tail": "N1", "distance": 1.0}))
        (process,) = office.processes
        asyncio.get_running_loop().call_later(0.05, process.told_pieces[0].finish, "")
        await office.desk.close()
        assert process.closed
        assert [piece async for piece in streamed] == [b"1"]

    apart(scenario)
