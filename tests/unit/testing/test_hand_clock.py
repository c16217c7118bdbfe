"""The clock that a test turns by hand."""

from datetime import timedelta

import pytest

from noria.testing.clocks import HandClock


def test_a_clock_stands_still_until_it_is_turned_and_never_goes_back():
    clock = HandClock()
    start = clock.now()
    clock.turn(timedelta(hours=6))
    assert clock.now() - start == timedelta(hours=6)
    with pytest.raises(ValueError, match="turned back"):
        clock.turn(-timedelta(seconds=1))
