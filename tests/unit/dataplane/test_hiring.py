"""Challengers live in processes of their own: they load there, die there, and come back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from noria.core.errors import Unavailable
from noria.dataplane import hiring
from noria.dataplane.hiring import HiredChallenger

CHILD = """
import sys
from pathlib import Path
from noria.core.traffic import ServedVersion
from noria.dataplane.challenger import run_challenger
from noria.ports import wire

class First:
    def score(self, matrix):
        if matrix[0, 0] == 666:
            raise ArithmeticError("the number of the beast")
        return matrix[:, 0] / 10_000

def load(artifact):
    if artifact == "broken":
        raise ArithmeticError("this model is broken")
    return First()

run_challenger(Path(sys.argv[1]), wire.load(Path(sys.argv[2]).read_bytes(), ServedVersion), load, lambda version: None)
"""
ROWS = [{"tail": "N1", "distance": 1_000.0}, {"tail": "N2", "distance": 5_000.0}]


@pytest.fixture
def hired(tmp_path, office, monkeypatch):
    """Run a scenario with a challenger that was started, and end it."""
    monkeypatch.setattr(hiring, "_RESTART_S", (0.01,))

    def run(scenario, command=(sys.executable, "-c", CHILD), start_s: float = 30.0, **version):
        async def whole():
            challenger = HiredChallenger(command, office.version(2, **version), tmp_path, start_s=start_s)
            try:
                await challenger.start()
                await scenario(challenger)
            finally:
                await challenger.close()
            return challenger

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
        with pytest.raises(Unavailable, match="its process died"):
            await waiting
        with pytest.raises(Unavailable, match="its process is down"):
            await answer(challenger)
        await until(lambda: challenger.pid not in (None, first))
        while True:
            try:
                assert await answer(challenger) == ([0.1, 0.5], {})
                break
            except Unavailable:
                await asyncio.sleep(0.01)

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
        hired(None, command=(sys.executable, "-c", "import time; time.sleep(60)"), start_s=0.2)
    assert time.monotonic() - began < 30


def test_a_challenger_ends_with_its_data_plane(hired) -> None:
    async def scenario(challenger):
        process = challenger._process
        challenger._line.hang_up()
        assert await process.wait() == 0

    hired(scenario)
