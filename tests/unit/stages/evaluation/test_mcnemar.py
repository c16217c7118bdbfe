import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noria.core.examination.comparing import Claim
from noria.stages.evaluation.mcnemar import clustered_p, disagreement, exact_p, mid_p


@pytest.mark.parametrize(("first", "second", "p"), [(1, 7, 0.0703125), (12, 30, 0.007915897334896727), (59, 16, 6.114156572521501e-07)])
def test_the_exact_test_gives_the_numbers_of_statsmodels(first, second, p):
    """statsmodels 0.14, `mcnemar(exact=True)`; 1 against 7 is the first example of Fagerland, Lydersen & Laake (2013)."""
    assert exact_p(first, second) == pytest.approx(p, rel=1e-12)


def test_the_mid_p_test_gives_the_number_of_its_paper():
    """Fagerland, Lydersen & Laake (2013), table 2: 0.0391 for 1 against 7."""
    assert mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)
    assert mid_p(5, 5) == 1.0 == mid_p(0, 0)


@settings(max_examples=50, deadline=None)
@given(first=st.integers(0, 40), second=st.integers(0, 40))
def test_clusters_of_one_row_give_the_exact_test(first, second):
    gains = np.repeat([1, -1, 0], [first, second, 7])
    assert clustered_p(gains) == pytest.approx(exact_p(first, second), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(gains=st.lists(st.integers(-6, 6), min_size=1, max_size=10))
def test_the_clustered_test_counts_all_swaps(gains):
    seen = abs(sum(gains))
    swaps = np.array(np.meshgrid(*[[-1, 1]] * len(gains))).reshape(len(gains), -1)
    brute = float((np.abs(np.array(gains) @ swaps) >= seen).mean())
    assert clustered_p(np.array(gains)) == pytest.approx(brute, abs=1e-12)


def days(random, count, rows, *, blur=0.7):
    """Outcomes of some days and two models whose errors have their day in common; the second is blurred by `blur`."""
    day = np.repeat(np.arange(count), rows)
    x = random.normal(size=len(day))
    y = (random.random(len(day)) < 1 / (1 + np.exp(-1.5 * x))).astype(float)
    errors = [b * random.normal(size=len(day)) + (0.6 * random.normal(size=count))[day] for b in (0.7, blur)]
    return day, y, *(1 / (1 + np.exp(-1.5 * x - error)) for error in errors)


def test_equal_models_are_seldom_told_apart_though_days_are_alike():
    random, trials = np.random.default_rng(5), 600
    wrong = sum(
        disagreement(y, first, second, clusters=day).claim is not Claim.NOT_SHOWN
        for day, y, first, second in (days(random, 20, 30) for _ in range(trials))
    )
    assert wrong <= stats.binom.ppf(0.999, trials, 0.05)


def test_a_model_that_is_right_more_often_is_found():
    random, trials = np.random.default_rng(6), 60
    found = sum(
        disagreement(y, first, second, clusters=day).claim is Claim.BETTER
        for day, y, first, second in (days(random, 30, 60, blur=2.0) for _ in range(trials))
    )
    assert found >= 0.9 * trials


def test_the_four_cells_and_the_difference_in_accuracy_add_up():
    day, y, first, second = days(np.random.default_rng(7), 10, 20)
    found = disagreement(y, first, second, clusters=day)
    assert found.both_right + found.first_only + found.second_only + found.both_wrong == found.rows == 200
    assert found.difference.value == pytest.approx((found.first_only - found.second_only) / 200)
    assert (found.method, found.clusters) == ("clustered", 10)


def test_classes_are_compared_by_their_likeliest():
    y = np.array([0, 1, 2, 2])
    right, wrong = np.eye(3)[y], np.eye(3)[[1, 1, 2, 2]]
    found = disagreement(y, right, wrong)
    assert (found.both_right, found.first_only, found.method) == (3, 1, "exact")
    assert found.claim is Claim.NOT_SHOWN
