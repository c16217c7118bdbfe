import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from noria.core.probing import PastGain
from noria.core.schema import Estimate
from noria.stages.evaluation.expected_gain import CHANGED, WIDER, expected, usual_gain


def measured(gain: float, se: float) -> Estimate:
    return Estimate(value=gain, low=gain - 2 * se, high=gain + 2 * se, n=900, se=se)


def past(*gains: float, se: float = 0.005) -> list[PastGain]:
    return [PastGain(turn=f"turn_{n}", gain=gain, se=se, seen="held-out rows") for n, gain in enumerate(gains)]


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(-0.1, 0.1), se=st.floats(0.003, 0.03), gains=st.lists(st.floats(-0.05, 0.05), max_size=5))
def test_it_is_what_bayes_gives_by_integration(gain, se, gains):
    usual, spread = usual_gain(past(*gains), 0.005)

    def before(true):
        return (1 - CHANGED) * stats.norm.pdf(true, usual, spread) + CHANGED * stats.norm.pdf(true, usual, WIDER * spread)

    def both(true):
        return before(true) * stats.norm.pdf(gain, true, se)

    middle = [usual, gain, 0.005]
    low, high = min(middle) - 8 * max(se, spread), max(middle) + 8 * max(se, spread)
    whole, enough, mean = (
        integrate.quad(f, a, high, points=[p for p in sorted(middle) if a < p < high], limit=300)[0]
        for f, a in ((both, low), (both, 0.005), (lambda true: true * both(true), low))
    )
    found = expected(measured(gain, se), past(*gains), worth=0.005)
    assert found.gain == pytest.approx(mean / whole, rel=1e-3, abs=1e-6)
    assert found.chance == pytest.approx(enough / whole, rel=1e-3, abs=1e-4)


def test_turns_that_gained_nothing_make_one_doubt_a_gain_and_turns_that_gained_make_one_believe_it():
    plain = expected(measured(0.015, 0.008), (), worth=0.005)
    doubted = expected(measured(0.015, 0.008), past(0.0, -0.002, 0.001), worth=0.005)
    believed = expected(measured(0.015, 0.008), past(0.03, 0.02, 0.04), worth=0.005)
    assert doubted.usual < plain.usual + 1e-3 < believed.usual
    assert doubted.chance <= plain.chance + 0.02 and believed.chance > plain.chance
    assert believed.past == 3


def test_what_is_not_known_of_the_past_is_left_out():
    found = expected(measured(0.01, 0.01), past(math.nan, 0.01), worth=0.005)
    assert found.past == 1


def share_now(true: float, se: float, *, worth: float = 0.005, trials: int = 2_000) -> float:
    """How often a probe says "now" (a chance of 80 % or more)."""
    draws = np.random.default_rng(1).normal(true, se, trials)
    return sum(expected(measured(float(draw), se), (), worth=worth).chance >= 0.8 for draw in draws) / trials


@pytest.mark.parametrize("se", [0.004, 0.007, 0.01, 0.02])
def test_where_nothing_is_to_be_gained_a_probe_seldom_says_now(se):
    assert share_now(0.0, se) <= stats.binom.ppf(0.999, 2_000, 0.025) / 2_000


@pytest.mark.parametrize(("true", "se", "least"), [(0.02, 0.004, 0.95), (0.02, 0.007, 0.7), (0.04, 0.01, 0.93), (0.08, 0.02, 0.9)])
def test_where_much_is_to_be_gained_a_probe_mostly_says_now(true, se, least):
    assert share_now(true, se, trials=1_000) >= least
