from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import NotFound
from noria.core.schema import Task
from noria.core.watching import Calibration
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring.estimated_classes import CLASS_FORMULAS, calibrate_classes, class_chances, estimate_classes

AS_IS = (Calibration(),) * 3


def drawn(seed, rows=1_200, sharper=1.0):
    random = np.random.default_rng(seed)
    odds = random.normal(0, 1.2, (rows, 3)) + np.array([0.5, 0.0, -0.5])
    told = np.exp(sharper * odds) / np.exp(sharper * odds).sum(axis=1, keepdims=True)
    y = (odds + random.gumbel(size=odds.shape)).argmax(axis=1)
    return y.astype(float), told


@pytest.mark.parametrize("name", CLASS_FORMULAS)
def test_calibrated_scores_tell_the_realised_metric_and_its_interval(name):
    covered, errors = 0, []
    for seed in range(25):
        y, score = drawn(seed)
        found, real = estimate_classes(name, score, AS_IS, resamples=80), metric(name, Task.MULTICLASS).value(y, score)
        covered += found.low <= real <= found.high
        errors.append((found.value - real) / found.se)
    assert covered >= 20 and abs(np.mean(errors)) < 0.7


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0.01, 1)] * 3), min_size=2, max_size=40))
def test_masses_of_whole_outcomes_give_the_metric_itself(rows):
    """A calibration that knows every outcome estimates what the evaluation computes."""
    score = np.array(rows) / np.array(rows).sum(axis=1, keepdims=True)
    y = np.random.default_rng(len(rows)).integers(3, size=len(rows)).astype(float)
    from noria.stages.monitoring import estimated_classes

    mass = np.eye(3)[y.astype(int)]
    for name, formula in CLASS_FORMULAS.items():
        real = metric(name, Task.MULTICLASS).value(y, score)
        told = estimated_classes._measured(formula, mass, estimated_classes._table(score))
        assert told == pytest.approx(real) or (isnan(told) and isnan(real))


def test_each_class_is_calibrated_against_the_rest():
    y, score = drawn(1, rows=6_000, sharper=2.5)
    learnt = calibrate_classes(y, score)
    fresh_y, fresh = drawn(2, rows=6_000, sharper=2.5)
    real = metric("accuracy", Task.MULTICLASS).value(fresh_y, fresh)
    assert abs(estimate_classes("accuracy", fresh, learnt).value - real) < 0.02
    assert abs(estimate_classes("accuracy", fresh, AS_IS).value - real) > 0.05
    assert class_chances(fresh, learnt).sum(axis=1) == pytest.approx(1.0)


def test_doubt_about_the_calibration_widens_the_interval():
    _, score = drawn(3)
    doubt = [np.diag([0.02, 0.01])] * 3
    sure, unsure = estimate_classes("accuracy", score, AS_IS), estimate_classes("accuracy", score, AS_IS, doubts=doubt)
    assert unsure.high - unsure.low > 1.2 * (sure.high - sure.low) and unsure.value == sure.value


def test_what_cannot_be_estimated_is_said():
    with pytest.raises(NotFound, match="mcc"):
        estimate_classes("mcc", np.ones((2, 3)), AS_IS)
    assert isnan(estimate_classes("accuracy", np.full((2, 3), nan), AS_IS).value)
