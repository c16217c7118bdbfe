"""The breaker opens on repeated timeouts and lets one probe pass at a time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from noria.stages.serving.breaker import Breaker, Gate


def test_it_opens_after_timeouts_in_a_row_and_not_after_other_failures() -> None:
    breaker = Breaker(trip_after=3, rest_s=2.0)
    for _ in range(10):
        breaker.failed(0.0, timed_out=False)
    for _ in range(2):
        breaker.failed(0.0, timed_out=True)
    assert breaker.gate(0.0) is Gate.SEND
    breaker.failed(0.0, timed_out=True)
    assert breaker.gate(1.9) is Gate.REST
    assert [breaker.gate(2.0), breaker.gate(2.0)] == [Gate.PROBE, Gate.REST]
    breaker.answered()
    assert breaker.gate(2.0) is Gate.SEND


def test_a_failed_probe_makes_it_rest_again() -> None:
    breaker = Breaker(trip_after=1, rest_s=2.0)
    breaker.failed(0.0, timed_out=True)
    assert breaker.gate(2.0) is Gate.PROBE
    breaker.failed(2.0, timed_out=False)
    assert [breaker.gate(3.9), breaker.gate(4.0)] == [Gate.REST, Gate.PROBE]


class BreakerLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(trip_after=3, rest_s=2.0)
        self.now_s = 0.0
        self.probes = 0
        self.in_a_row = 0

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def rows_come(self) -> None:
        gate = self.breaker.gate(self.now_s)
        self.probes += gate is Gate.PROBE
        assert (gate is Gate.SEND) == (self.in_a_row < 3)

    @rule()
    def it_answers(self) -> None:
        self.breaker.answered()
        self.probes = self.in_a_row = 0

    @rule()
    def it_times_out(self) -> None:
        self.breaker.failed(self.now_s, timed_out=True)
        self.in_a_row += 1
        self.probes = 0

    @invariant()
    def at_most_one_probe_is_under_way(self) -> None:
        assert self.probes <= 1


TestBreakerLife = BreakerLife.TestCase
TestBreakerLife.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
