from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from noria.core.schema import Estimate
from noria.stages.evaluation.agreement import agreed, agreement
from noria.stages.evaluation.sequential import guard_agreement

LIMITS = {"margin": 0.3, "alpha": 0.02, "min_n": 100}


def pair(rng, n, rho):
    one = rng.normal(size=n)
    return one, rho * one + sqrt(1 - rho**2) * rng.normal(size=n)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=3, max_size=40))
def test_it_is_spearmans_correlation_with_ties_too(rows):
    one, other = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = agreement(one, other).value
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_its_interval_covers_the_truth(rho):
    truth = 6 / np.pi * np.arcsin(rho / 2)  # of a bivariate normal (Kruskal 1958)
    rng, covered = np.random.default_rng(3), 0
    for _ in range(300):
        found = agreed(*pair(rng, 400, rho))
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 300 <= 0.985


def test_of_many_classes_it_is_the_share_of_the_same_likeliest():
    one = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]])
    other = one[[0, 1, 3, 2]]
    assert agreement(one, other).value == 0.5


def test_a_challenger_that_turns_its_answers_round_is_harm_within_two_hundred_rows_and_an_honest_one_hardly_ever():
    rng, alarms, caught = np.random.default_rng(5), 0, []
    expected = Estimate(value=6 / np.pi * np.arcsin(0.4), low=0.75, high=0.81, n=5_000, se=0.015)
    for _ in range(100):
        champion, honest = pair(rng, 2_000, 0.8)
        alarms += any(
            guard_agreement(champion[:n], honest[:n], expected=expected, **LIMITS).verdict == "harm" for n in range(100, 2_001, 100)
        )
        looks = (
            n for n in range(100, 2_001, 20) if guard_agreement(champion[:n], -honest[:n], expected=expected, **LIMITS).verdict == "harm"
        )
        caught.append(next(looks))
    assert alarms == 0
    assert max(caught) <= 200


def test_rows_without_an_answer_are_left_out_and_too_few_say_nothing():
    rng = np.random.default_rng(1)
    champion, honest = pair(rng, 300, 0.9)
    honest[:250] = np.nan
    expected = Estimate(value=0.9, low=0.88, high=0.92, n=1_000, se=0.01)
    found = guard_agreement(champion, honest, expected=expected, **LIMITS)
    assert (found.verdict, found.challenger_n) == ("not-enough-data", 50)
