"""How many workers are wanted, from how busy they are: slowly up, more slowly down, never beyond the bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.dataplane.sizing import QUEUE, Bounds, Pulse, Sizing

BOUNDS = Bounds(low=1, high=3)


def felt(sizing: Sizing, at_work: int, pulses, every_s: float = 1.0) -> int:
    for place, (cores, in_flight) in enumerate(pulses):
        at_work = sizing.wanted(at_work, Pulse(cores=cores, in_flight=in_flight), place * every_s)
    return at_work


@pytest.mark.parametrize(
    ("at_work", "pulses", "wanted"),
    [
        (1, [(0.95, 5)] * 2, 1),
        (1, [(0.95, 5)] * 3, 2),
        (1, [(0.95, 5), (0.2, 5)] * 10, 1),
        (1, [(0.1, QUEUE)] * 3, 2),
        (3, [(3.0, 500)] * 30, 3),
        (2, [(0.3, 1)] * 60, 2),
        (2, [(0.3, 1)] * 61, 1),
        (2, [(0.3, 1)] * 40 + [(1.2, 1)] + [(0.3, 1)] * 40, 2),
        (1, [(0.0, 0)] * 500, 1),
        (3, [(0.1, 0)] * 130, 1),
    ],
)
def test_their_number_follows_what_lasts(at_work, pulses, wanted) -> None:
    assert felt(Sizing(BOUNDS), at_work, pulses) == wanted


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 500)), max_size=200))
def test_whatever_they_feel_their_number_stays_within_the_bounds_and_moves_by_one(pulses) -> None:
    sizing, at_work = Sizing(BOUNDS), 1
    for place, (cores, in_flight) in enumerate(pulses):
        wanted = sizing.wanted(at_work, Pulse(cores=cores, in_flight=in_flight), float(place))
        assert abs(wanted - at_work) <= 1 and BOUNDS.low <= wanted <= BOUNDS.high
        at_work = wanted


def test_one_that_was_too_many_is_not_missed_at_once() -> None:
    sizing = Sizing(BOUNDS)
    assert felt(sizing, 2, [(BOUNDS.quiet, 0)] * 61) == 1
    assert felt(sizing, 1, [(BOUNDS.quiet, 0)] * 61) == 1
