"""Versions live in processes of their own: they load there, die there, hang and grow there, and come back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time

import pytest

from noria.core.errors import Unavailable
from noria.dataplane import hiring
from noria.dataplane.hiring import Hired, Limits
from noria.stages.serving.processes import ProcessGone

CHILD = """
import os, signal, sys, time
from pathlib import Path
from noria.core.traffic import ServedVersion
from noria.dataplane.model_main import run_model
from noria.ports import wire

held = []

class First:
    def score(self, matrix):
        if matrix[0, 0] == 666:
            raise ArithmeticError("the number of the beast")
        if matrix[0, 0] == 11:
            os.kill(os.getpid(), signal.SIGSEGV)
        if matrix[0, 0] == 99:
            time.sleep(60)
        if matrix[0, 0] > 1_000_000:
            held.append(bytearray(int(matrix[0, 0])))
        return matrix[:, 0] / 10_000

def load(artifact):
    if artifact == "broken":
        raise ArithmeticError("this model is broken")
    return First()

run_model(Path(sys.argv[1]), wire.load(Path(sys.argv[2]).read_bytes(), ServedVersion), load, lambda version: None)
"""
LIMITS = Limits(start_s=30.0, every_s=0.02)
ROWS = [{"tail": "N1", "distance": 1_000.0}, {"tail": "N2", "distance": 5_000.0}]


@pytest.fixture
def hired(tmp_path, office, monkeypatch):
    """Run a scenario with a challenger that was started, and end it."""
    monkeypatch.setattr(hiring, "RESTART_S", (0.01,))

    def run(scenario, command=(sys.executable, "-c", CHILD), limits=LIMITS, **version):
        async def whole():
            challenger = Hired(command, office.version(2, **version), tmp_path / "v2.log", limits=limits, told=challengers_told.append)
            challenger.told = challengers_told
            try:
                await challenger.start()
                await scenario(challenger)
            finally:
                await challenger.close()
            return challenger

        challengers_told: list[str] = []
        return asyncio.run(whole())

    return run


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def answer(challenger, rows=ROWS):
    return await challenger.answer(rows, 1, 10_000.0)


def test_it_answers_says_why_it_fails_and_comes_back_when_it_is_killed(hired) -> None:
    async def scenario(challenger):
        assert await answer(challenger) == ([0.1, 0.5], {})
        with pytest.raises(Unavailable, match="ArithmeticError: the number of the beast"):
            await answer(challenger, [{"tail": "N1", "distance": 666.0}])
        assert await asyncio.gather(*(answer(challenger) for _ in range(20))) == [([0.1, 0.5], {})] * 20
        with pytest.raises(Unavailable, match="asked too late"):
            await challenger.answer(ROWS, 1, -1.0)
        first = challenger.pid
        os.kill(first, signal.SIGSTOP)
        waiting = asyncio.ensure_future(answer(challenger))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ProcessGone, match="its process died"):
            await waiting
        with pytest.raises(ProcessGone, match="its process is down"):
            await answer(challenger)
        await until(lambda: challenger.pid not in (None, first))
        await challenger.up()
        assert await answer(challenger) == ([0.1, 0.5], {})
        assert challenger.told == ["killed"]

    challenger = hired(scenario)
    assert challenger.pid is None


def test_a_crashing_version_takes_only_its_own_process_down(hired) -> None:
    async def scenario(challenger):
        with pytest.raises(Unavailable, match="its process died"):
            await answer(challenger, ROWS * 10)

    hired(scenario, fault="crash")


def test_a_version_that_does_not_load_is_reported_with_the_end_of_its_output(hired) -> None:
    with pytest.raises(Unavailable, match="ended with 1: ArithmeticError: this model is broken"):
        hired(None, artifact="broken")


def test_a_version_that_never_calls_is_ended(hired) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"did not load within 0\.2 s: it printed nothing"):
        hired(None, command=(sys.executable, "-c", "import time; time.sleep(60)"), limits=Limits(start_s=0.2))
    assert time.monotonic() - began < 30


def test_a_challenger_ends_with_its_data_plane(hired) -> None:
    async def scenario(challenger):
        process = challenger._process
        process._line.hang_up("the data plane has gone")
        assert await process.ended() == "ended with 0: it printed nothing"

    hired(scenario)


def test_a_fault_of_its_own_is_told_with_its_signal_and_a_process_that_keeps_dying_is_a_problem(hired) -> None:
    async def scenario(challenger):
        assert challenger.problem == ""
        for times in range(3):
            await challenger.up()
            with pytest.raises(ProcessGone):
                await answer(challenger, [{"tail": "N1", "distance": 11.0}])
            await until(lambda n=times: len(challenger.told) > n)
        await challenger.up()
        assert challenger.problem == "its process keeps dying; the last one died of signal 11 (Segmentation fault): it printed nothing"
        assert challenger.told == ["killed"] * 3
        assert await answer(challenger) == ([0.1, 0.5], {})

    hired(scenario)


def test_one_that_stays_silent_is_ended_though_nobody_waits_any_more(hired) -> None:
    async def scenario(challenger):
        first = challenger.pid
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await challenger.answer([{"tail": "N1", "distance": 99.0}], 1, 50.0)
        await until(lambda: challenger.told)
        await challenger.up()
        assert challenger.told == ["hang"]
        assert challenger.pid != first
        assert await answer(challenger) == ([0.1, 0.5], {})

    hired(scenario, limits=Limits(start_s=30.0, silent_s=0.1, every_s=0.02))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_one_that_grows_answers_until_a_fresh_one_takes_over_and_one_that_bursts_is_ended(hired) -> None:
    async def scenario(challenger):
        await answer(challenger)
        first = challenger.pid
        await answer(challenger, [{"tail": "N1", "distance": 1.5 * LIMIT}])
        failures = 0
        while challenger.pid == first:
            try:
                assert await answer(challenger) == ([0.1, 0.5], {})
            except Unavailable:
                failures += 1
        assert failures == 0
        assert challenger.told == ["memory"]
        assert challenger.problem == ""
        with contextlib.suppress(Unavailable):
            await answer(challenger, [{"tail": "N1", "distance": float(3 * LIMIT)}])
        await until(lambda: len(challenger.told) == 2)
        await challenger.up()
        assert await answer(challenger) == ([0.1, 0.5], {})

    LIMIT = 100 << 20
    hired(scenario, limits=Limits(start_s=30.0, growth_bytes=LIMIT, every_s=0.02))


def test_output_without_end_fills_no_disk(hired, monkeypatch) -> None:
    monkeypatch.setattr(hiring, "OUTPUT_BYTES", 1_000)

    async def scenario(challenger):
        challenger._output.write_bytes(b"x" * 2_000)
        await until(lambda: challenger._output.stat().st_size == 0)

    hired(scenario)


FAMILY = """
from noria.core.traffic import Family
from noria.stages.serving.family import Loaders
from noria.stages.serving.lazily import Loading

class Contrary:
    def score(self, matrix):
        return -matrix[:, 0] / 10_000

kin = Loaders(
    family=lambda digest: Family(by="tail", members={"N1": "own"}),
    scorer=lambda artifact: Contrary() if artifact == "own" else First(),
    loading=Loading(),
)
run_model(Path(sys.argv[1]), wire.load(Path(sys.argv[2]).read_bytes(), ServedVersion), load, lambda version: None, kin)
"""


def test_a_family_answers_from_a_process_of_its_own_and_says_who_did(hired) -> None:
    async def scenario(challenger):
        answers, beside = await answer(challenger)
        assert (answers, list(beside["family:member"])) == ([-0.1, 0.5], ["N1", ""])

    child = CHILD[: CHILD.index("run_model(Path")] + FAMILY
    hired(scenario, command=(sys.executable, "-c", child), family="f")
