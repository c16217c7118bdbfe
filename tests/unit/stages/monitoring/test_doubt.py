import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from noria.core.schema import Task
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring.calibration import calibrate
from noria.stages.monitoring.doubt import chance_basis, doubt_of, doubt_of_chances, doubt_of_mean, moved, positive, square
from noria.stages.monitoring.estimated import estimate


def drawn(seed, days=20, per_day=100, day_sd=0.0):
    random = np.random.default_rng(seed)
    odds = random.normal(0, 1.2, days * per_day)
    y = random.random(len(odds)) < expit(odds + np.repeat(random.normal(0, day_sd, days), per_day))
    return y.astype(float), expit(odds), np.repeat(np.arange(days), per_day)


def test_the_doubt_is_how_much_a_refitted_shift_and_stretch_vary():
    said, refitted = [], []
    for seed in range(60):
        y, chance, days = drawn(seed, day_sd=0.3)
        basis = chance_basis(chance)
        said.append(doubt_of((y - chance)[:, None] * basis, (basis.T * (chance * (1 - chance))) @ basis, days).learnt)
        fit = LogisticRegression(C=1e9).fit(logit(chance)[:, None], y)
        refitted.append([fit.intercept_[0], fit.coef_[0, 0]])
    ratio = np.diag(np.mean(said, axis=0)) / np.var(refitted, axis=0)
    assert (ratio > 0.8).all() and (ratio < 2.2).all()  # what days add is never taken as less than nothing, so it is a little too much


def test_days_that_differ_are_told_from_rows_that_do():
    alike = [square(calibrate(*drawn(seed)).doubt_per_day)[0, 0] for seed in range(20)]
    apart = [square(calibrate(*drawn(seed, day_sd=0.5)).doubt_per_day)[0, 0] for seed in range(20)]
    assert np.mean(apart) == pytest.approx(0.25, rel=0.5) and np.mean(alike) < 0.05


def test_rows_that_are_met_as_often_as_before_leave_no_doubt():
    y, chance, _ = drawn(1)
    assert doubt_of_chances(y, chance, np.ones(len(y))) == pytest.approx(np.zeros((2, 2)), abs=1e-12)
    assert doubt_of_mean(y - chance, np.ones(len(y))) == pytest.approx(0, abs=1e-12)


def test_held_out_rows_that_say_otherwise_where_the_new_ones_are_leave_doubt():
    y, chance, _ = drawn(2)
    there = np.arange(len(y)) % 4 == 0
    y = np.where(there, (np.random.default_rng(3).random(len(y)) < expit(logit(chance) + 1)), y).astype(float)
    doubt = doubt_of_chances(y, chance, np.where(there, 3.0, 1 / 3))
    assert 0.05 < doubt[0, 0] < 0.6


def test_drawn_chances_vary_as_much_as_the_doubt_says():
    covariance = np.array([[0.04, 0.01], [0.01, 0.02]])
    drawn_chances = moved(np.array([0.2, 0.5, 0.9]), covariance, np.random.default_rng(4), 4_000)
    basis = np.column_stack([np.ones(3), logit([0.2, 0.5, 0.9])])
    assert logit(drawn_chances).var(axis=0) == pytest.approx(np.einsum("ij,jk,ik->i", basis, covariance, basis), rel=0.1)
    assert positive(np.diag([1.0, -2.0])) == pytest.approx(np.diag([1.0, 0.0]))
    assert doubt_of(np.ones((4, 1)), np.eye(1), np.arange(4)).per_block == 0


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_intervals_hold_what_outcomes_say_though_the_calibration_was_learnt_on_few_rows(name):
    covered = sure = 0
    for seed in range(40):
        y, chance, days = drawn(seed, days=15, per_day=40, day_sd=0.4)
        known = calibrate(y, expit(0.7 * logit(chance)), days)
        fresh, fresh_chance, _ = drawn(1_000 + seed, days=15, per_day=100, day_sd=0.4)
        score = expit(0.7 * logit(fresh_chance))
        real = metric(name, Task.BINARY).value(fresh, score)
        found = estimate(name, score, known, doubt=square(known.doubt) + square(known.doubt_per_day) / 15)
        before = estimate(name, score, known)
        covered += found.low <= real <= found.high
        sure += before.low <= real <= before.high
    assert covered >= 35 and covered > sure
