import math

import numpy as np
import pytest
from scipy import stats

from noria.core.examination.comparing import Claim
from noria.core.schema import Task
from noria.stages.evaluation.serial import serial

DAILY = np.array(
    [
        0.3,
        0.1,
        -0.2,
        0.25,
        0.05,
        0.15,
        -0.1,
        0.2,
        0.0,
        0.12,
        0.4,
        0.2,
        0.1,
        -0.05,
        0.3,
        0.22,
        0.18,
        -0.12,
        0.07,
        0.09,
        0.33,
        0.02,
        -0.01,
        0.21,
    ]
)


def compared(daily, *, horizon=None, rows=1):
    """Two models, the first better by `daily` in absolute error, with as many rows a day."""
    each = np.repeat(daily, rows)
    day = np.repeat(np.arange(len(daily)), rows)
    return serial("mae", np.zeros(len(each)), np.full(len(each), 5.0), 5.0 + each, task=Task.REGRESSION, blocks=day, horizon=horizon)


@pytest.mark.parametrize("rows", [1, 7])
def test_with_a_horizon_it_is_diebold_and_mariano_as_corrected(rows):
    """The mean's error 0.01356268 is statsmodels 0.14's `OLS(d, 1).fit(cov_type="HAC")`, uniform kernel, 2 lags, uncorrected."""
    found = compared(DAILY, horizon=3, rows=rows)
    count, ahead = 24, 3
    corrected = math.sqrt((count + 1 - 2 * ahead + ahead * (ahead - 1) / count) / count)
    assert found.statistic == pytest.approx(DAILY.mean() / 0.01356268 * corrected, rel=1e-6)
    assert found.p_value == pytest.approx(2 * stats.t.sf(found.statistic, 23), rel=1e-9)
    assert found.claim is Claim.BETTER


def test_with_a_horizon_of_one_it_is_nearly_the_paired_t_test():
    found = compared(DAILY, horizon=1)
    assert found.statistic == pytest.approx(stats.ttest_1samp(DAILY, 0.0).statistic, rel=1e-9)


def test_it_says_nothing_of_a_few_days():
    assert compared(DAILY[:12]) is None


def wandering(random, trials, days, memory, gain=0.0):
    """Daily differences, each with a part of the day before in it."""
    steps = random.normal(size=(trials, days + 30))
    for day in range(1, days + 30):
        steps[:, day] += memory * steps[:, day - 1]
    return steps[:, 30:] * math.sqrt(1 - memory**2) + gain


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.5])
def test_equal_models_are_seldom_told_apart_though_days_resemble_their_neighbours(memory):
    trials = 500
    wrong = sum(compared(d).p_value <= 0.05 for d in wandering(np.random.default_rng(9), trials, 60, memory))
    assert wrong <= stats.binom.ppf(0.999, trials, 0.06)


def test_a_better_model_is_found_though_days_resemble_their_neighbours():
    found = sum(compared(d).claim is Claim.BETTER for d in wandering(np.random.default_rng(10), 100, 60, 0.3, gain=0.7))
    assert found >= 80


def test_roc_auc_is_compared_too():
    random = np.random.default_rng(11)
    day = np.repeat(np.arange(30), 40)
    x = random.normal(size=1_200)
    y = (random.random(1_200) < 1 / (1 + np.exp(-2 * x))).astype(float)
    found = serial("roc_auc", y, x, x + 2 * random.normal(size=1_200), task=Task.BINARY, blocks=day)
    assert found.claim is Claim.BETTER and (found.method, found.freedom, found.blocks) == ("cosines", 4, 30)
