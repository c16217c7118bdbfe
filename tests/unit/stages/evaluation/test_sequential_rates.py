from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from noria.stages.evaluation.sequential_rates import log_evidence, rate_sequence


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.3])
def test_the_true_rate_leaves_its_sequence_less_often_than_alpha_however_often_one_looks(rate):
    rng, left, runs = np.random.default_rng(1), 0, 300
    for _ in range(runs):
        events = np.cumsum(rng.random(2_000) < rate)
        left += any(log_evidence(int(events[n - 1]), n, rate) >= log(1 / 0.05) for n in range(10, 2_001, 20))
    assert left / runs <= 0.05


def test_the_evidence_is_the_mixture_over_all_rates():
    mixed, _ = quad(lambda p: beta.pdf(p, 0.5, 0.5) * p**3 * (1 - p) ** 17, 0, 1)
    assert log_evidence(3, 20, 0.3) == pytest.approx(log(mixed / (0.3**3 * 0.7**17)), abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 100_000), st.floats(0, 1), st.floats(0.0001, 0.5))
def test_the_sequence_holds_what_was_seen_and_ends_where_the_evidence_does(n, share, alpha):
    events = round(n * share)
    low, high = rate_sequence(events, n, alpha=alpha)
    assert 0 <= low <= events / n <= high <= 1
    for end in (low, high):
        if 0 < end < 1 and 1e-6 < end < 1 - 1e-6:
            assert log_evidence(events, n, end) == pytest.approx(log(1 / alpha), abs=1e-2)


def test_nothing_seen_says_nothing():
    assert rate_sequence(0, 0, alpha=0.05) == (0.0, 1.0)
