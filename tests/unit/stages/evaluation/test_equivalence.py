import math

import numpy as np
import pytest
from scipy import stats

from noria.core.examination.comparing import Claim, claimed
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.equivalence import judged
from noria.stages.evaluation.paired import compare

GAINS = np.array([0.3, 0.1, -0.2, 0.25, 0.05, 0.15, -0.1, 0.2, 0.0, 0.12])


def of(gains: np.ndarray) -> Estimate:
    """The paired difference in mean absolute error of two models, the first better by `gains` on each row."""
    y = np.zeros(len(gains))
    return compare("mae", y, np.full(len(gains), 5.0), 5.0 + gains, task=Task.REGRESSION)


def test_both_one_sided_tests_give_the_numbers_of_statsmodels():
    """statsmodels 0.14, `ttost_paired(x, 0, -0.3, 0.3)`: p of each side, and the larger of both."""
    found = judged("mae", of(GAINS), margin=0.3)
    assert found.p_worse == pytest.approx(1.2288077318697462e-05, rel=1e-6)
    assert found.p_apart == pytest.approx(0.0009309076631438439, rel=1e-6)
    assert found.equivalent


def test_the_test_of_no_difference_is_the_paired_t_test():
    assert judged("mae", of(GAINS)).p_equal == pytest.approx(stats.ttest_1samp(GAINS, 0.0).pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "claim"),
    [(0.01, 0.03, Claim.BETTER), (-0.01, 0.02, Claim.NOT_WORSE), (-0.03, 0.02, Claim.NOT_SHOWN), (-0.03, -0.01, Claim.WORSE)],
)
def test_the_interval_says_what_is_shown(low, high, claim):
    assert claimed(Estimate(value=(low + high) / 2, low=low, high=high, n=100), margin=0.02) is claim


def test_what_could_not_be_computed_shows_nothing():
    nothing = Estimate(value=math.nan, low=math.nan, high=math.nan, n=3)
    found = judged("mae", nothing, margin=1.0)
    assert found.claim is Claim.NOT_SHOWN and not found.equivalent and math.isnan(found.p_worse)


def share(claim, gain, margin, *, trials=1_500, rows=120):
    """How often the claim is made when the first model is better by `gain` on average (and its rows vary by 1)."""
    draws = np.random.default_rng(8).normal(gain, 1.0, (trials, rows))
    return sum(claim(judged("mae", of(row), margin=margin)) for row in draws) / trials


def not_worse(found):
    return found.claim in (Claim.BETTER, Claim.NOT_WORSE)


def test_a_model_that_is_worse_by_the_margin_is_seldom_called_not_worse():
    assert share(not_worse, -0.3, 0.3) <= stats.binom.ppf(0.999, 1_500, 0.025) / 1_500


def test_an_equal_model_is_mostly_shown_not_worse_by_a_margin_of_a_third_of_a_row():
    assert share(not_worse, 0.0, 0.3) >= 0.85  # 1.96 standard errors of 0.091 leave 0.9 by theory


def test_models_that_differ_by_the_margin_are_seldom_called_equivalent():
    for gain in (-0.3, 0.3):
        assert share(lambda found: found.equivalent, gain, 0.3) <= stats.binom.ppf(0.999, 1_500, 0.025) / 1_500
