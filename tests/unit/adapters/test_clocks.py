from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.adapters.system_clock import SystemClock
from noria.adapters.turned_clock import TurnedClock
from noria.core.errors import NotFound

APRIL = datetime(2013, 4, 1, tzinfo=UTC)


def test_the_system_clock_tells_aware_utc_and_never_goes_backwards() -> None:
    clock = SystemClock()
    told = [clock.now() for _ in range(100)]
    assert told == sorted(told)
    assert told[0].utcoffset() == timedelta(0)


def test_the_system_clock_stands_still_when_the_machine_is_set_back() -> None:
    clock = SystemClock()
    ahead = datetime.now(UTC) + timedelta(hours=1)
    clock._latest = ahead
    assert clock.now() == ahead


def test_a_turned_clock_starts_where_it_is_told_and_moves_only_when_turned(tmp_path: Path) -> None:
    clock = TurnedClock(tmp_path / "home" / "clock", start=APRIL)
    assert clock.now() == clock.now() == APRIL
    clock.turn(APRIL + timedelta(hours=1))
    assert clock.now() == APRIL + timedelta(hours=1)
    assert clock.now_ms() == round((APRIL + timedelta(hours=1)).timestamp() * 1000)


def test_a_turned_clock_is_never_turned_back(tmp_path: Path) -> None:
    clock = TurnedClock(tmp_path / "clock", start=APRIL)
    with pytest.raises(ValueError, match="never turned back"):
        clock.turn(APRIL - timedelta(milliseconds=1))
    clock.turn(APRIL)
    assert clock.now() == APRIL


def test_a_start_does_not_move_a_clock_that_is_there_already(tmp_path: Path) -> None:
    TurnedClock(tmp_path / "clock", start=APRIL).turn(APRIL + timedelta(days=3))
    assert TurnedClock(tmp_path / "clock", start=APRIL).now() == APRIL + timedelta(days=3)


def test_a_clock_that_was_never_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no clock"):
        TurnedClock(tmp_path / "clock")


def test_it_is_one_aligned_cell_of_eight_bytes_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    TurnedClock(tmp_path / "clock", start=APRIL).close()
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]
    assert (tmp_path / "clock").stat().st_size == 8


def test_another_process_sees_every_turn_and_its_turns_are_seen(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from datetime import timedelta\n"
        "from pathlib import Path\n"
        "from noria.adapters.turned_clock import TurnedClock\n"
        "clock = TurnedClock(Path(sys.argv[1]))\n"
        "for _ in sys.stdin:\n"
        "    print(clock.now_ms(), flush=True)\n"
        "    clock.turn(clock.now() + timedelta(minutes=1))\n"
        "    print(clock.now_ms(), flush=True)\n"
    )
    clock = TurnedClock(tmp_path / "clock", start=APRIL)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "clock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for _ in range(3):
            clock.turn(clock.now() + timedelta(hours=1))
            here = clock.now_ms()
            other.stdin.write("look\n")
            other.stdin.flush()
            assert int(other.stdout.readline()) == here
            assert int(other.stdout.readline()) == here + 60_000
            assert clock.now_ms() == here + 60_000
        other.stdin.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_whatever_is_asked_of_two_hands_the_moment_only_grows(tmp_path_factory: pytest.TempPathFactory, offsets: list[int]) -> None:
    file = tmp_path_factory.mktemp("clock") / "clock"
    hands = (TurnedClock(file, start=APRIL), TurnedClock(file))
    highest = APRIL
    for n, offset in enumerate(offsets):
        to = APRIL + timedelta(milliseconds=offset)
        if to < highest:
            with pytest.raises(ValueError, match="never turned back"):
                hands[n % 2].turn(to)
        else:
            hands[n % 2].turn(to)
        highest = max(highest, to)
        assert hands[0].now() == hands[1].now() == highest
