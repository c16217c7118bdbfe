from math import isnan, nan

import numpy as np
import pytest

from noria.core.schema import Task
from noria.core.watching import LossModels
from noria.ports import wire
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring.estimated_loss import estimate_loss, fits, learn_losses


def drawn(seed, days=12, per_day=100, shift=0.0):
    """Numbers that are harder to tell where the first feature is large; the answer knows all but the noise."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(days * per_day, 2)) + shift * np.array([1.0, 0.0])
    answers = 10 + X @ np.array([1.0, -0.5])
    y = answers + random.normal(size=len(X)) * np.exp(0.5 * np.clip(X[:, 0], -2, 2))
    return X, answers, y, np.repeat(np.arange(days), per_day)


@pytest.fixture(scope="module")
def learnt():
    return learn_losses(*drawn(0, days=30))


@pytest.mark.parametrize("name", ["mae", "rmse", "mape"])
def test_the_loss_of_harder_rows_is_told_before_their_outcomes_come(learnt, name):
    models, _ = learnt
    before = metric(name, Task.REGRESSION).value(*drawn(0)[2:0:-1])
    errors, covered = [], 0
    for seed in range(1, 21):
        X, answers, y, _ = drawn(seed, shift=0.7)
        found, real = estimate_loss(name, X, answers, models, days=12), metric(name, Task.REGRESSION).value(y, answers)
        errors.append((abs(found.value - real), abs(before - real)))
        covered += found.low <= real <= found.high
    ours, constant = np.mean(errors, axis=0)
    assert ours < 0.6 * constant
    assert covered >= 13


def test_without_a_shift_the_interval_holds_what_outcomes_say(learnt):
    models, off = learnt
    weights = np.ones(len(off["absolute"]))
    covered = 0
    for seed in range(1, 31):
        X, answers, y, _ = drawn(seed)
        found = estimate_loss("mae", X, answers, models, days=12, off=off["absolute"], weights=weights)
        covered += found.low <= np.abs(answers - y).mean() <= found.high
    assert covered >= 26


def test_rows_that_say_otherwise_where_the_new_ones_are_widen_the_interval(learnt):
    models, off = learnt
    X, answers, _, _ = drawn(40)
    weights = np.linspace(0, 2, len(off["absolute"]))
    plain = estimate_loss("mae", X, answers, models, days=12)
    wide = estimate_loss("mae", X, answers, models, days=12, off=off["absolute"] + np.linspace(-1, 1, len(weights)), weights=weights)
    assert wide.high - wide.low > 3 * (plain.high - plain.low) and wide.value == plain.value


def test_what_is_stored_is_small_and_says_the_same_when_read(learnt):
    models, _ = learnt
    stored = wire.dump(models)
    X, answers, _, _ = drawn(3)
    assert len(stored) < 500_000
    again = wire.load(stored, LossModels)
    assert estimate_loss("rmse", X, answers, again, days=5) == estimate_loss("rmse", X, answers, models, days=5)


def test_a_relative_loss_does_not_fit_outcomes_of_nothing():
    X, answers, y, days = drawn(5, days=5)
    models, _ = learn_losses(X, answers, np.where(np.arange(len(y)) == 3, 0.0, y), days)
    assert fits("mae", models) and not fits("mape", models) and not fits("r2", models)
    assert isnan(estimate_loss("mape", X, answers, models, days=5).value)
    assert isnan(estimate_loss("mae", X, np.full(len(X), nan), models, days=5).value)


def test_too_few_rows_teach_nothing():
    assert learn_losses(*drawn(1, days=1)) is None
