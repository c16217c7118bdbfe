import json
from datetime import UTC, datetime
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import NotFound
from noria.core.schema import Task
from noria.core.watching import Calibration, DriftReference, Level
from noria.ports import wire
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring import calibration, estimated
from noria.stages.monitoring.calibration import calibrate, chances
from noria.stages.monitoring.estimated import FORMULAS, estimate
from noria.stages.monitoring.trust import Light, Trust

AS_IS = Calibration()
AT = datetime(2024, 1, 1, tzinfo=UTC)
SHARES = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=60)
KNOWN = Trust(light=Light.GREEN, auc=0.6, ess_share=0.7)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def drawn(seed, rows=2_000, overconfident=1.0):
    random = np.random.default_rng(seed)
    z = random.normal(0.3, 1.3, rows)
    return (random.random(rows) < logistic(z)).astype(float), logistic(overconfident * z)


def read(scores, trust=KNOWN, name="roc_auc", min_rows=100):
    return estimated.reading(name, len(scores), lambda _: estimate(name, scores, AS_IS), lambda: trust, loop="l", at=AT, min_rows=min_rows)


@pytest.mark.parametrize("name", FORMULAS)
def test_calibrated_scores_tell_the_realised_metric_and_its_interval(name):
    covered, errors = 0, []
    for seed in range(60):
        y, score = drawn(seed)
        found, real = estimate(name, score, AS_IS, seed=seed), metric(name, Task.BINARY).value(y, score)
        covered += found.low <= real <= found.high
        errors.append((found.value - real) / found.se)
    assert covered >= 52
    assert abs(np.mean(errors)) < 0.5


@settings(max_examples=40, deadline=None)
@given(SHARES)
def test_it_is_the_expected_confusion_matrix(shares):
    p = np.array(shares)
    yes = p >= 0.5
    assert estimate("accuracy", p, AS_IS).value == pytest.approx(np.where(yes, p, 1 - p).mean())
    assert estimate("brier", p, AS_IS).value == pytest.approx((p * (1 - p)).mean())
    assert estimate("recall", p, AS_IS).value == pytest.approx(p[yes].sum() / p.sum())
    if yes.any():
        assert estimate("precision", p, AS_IS).value == pytest.approx(p[yes].mean())
        assert estimate("f1", p, AS_IS).value == pytest.approx(2 * p[yes].sum() / (yes.sum() + p.sum()))


@settings(max_examples=40, deadline=None)
@given(SHARES)
def test_the_auc_is_the_area_under_the_expected_curve(shares):
    p = np.sort(np.round(shares, 2))[::-1]
    last = np.append(np.diff(p) != 0, True)
    tpr, fpr = (np.concatenate([[0], np.cumsum(part)[last] / part.sum()]) for part in (p, 1 - p))
    assert estimate("roc_auc", p, AS_IS).value == pytest.approx(np.trapezoid(tpr, fpr))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.sampled_from(sorted(FORMULAS)))
def test_any_scores_give_an_ordered_interval_that_is_the_same_each_time(scores, name):
    found = estimate(name, scores, AS_IS)
    assert found == estimate(name, scores, AS_IS) or isnan(found.value) or isnan(found.low)
    assert isnan(found.low) or found.low <= found.high


def test_a_calibration_learns_what_an_overconfident_score_stands_for():
    y, score = drawn(1, rows=8_000, overconfident=2.5)
    learnt = calibrate(y, score)
    fresh_y, fresh = drawn(2, rows=8_000, overconfident=2.5)
    real = metric("brier", Task.BINARY).value(fresh_y, fresh)
    assert abs(estimate("brier", fresh, learnt).value - real) < 0.01
    assert abs(estimate("brier", fresh, AS_IS).value - real) > 0.05


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=0, max_size=200))
def test_a_calibration_keeps_the_order_and_stays_a_chance(rows):
    learnt = calibrate([float(y) for _, y in rows], [score for score, _ in rows])
    told = chances(np.linspace(0, 1, 50), learnt)
    assert (np.diff(told) >= 0).all() and told.min() >= 0 and told.max() <= 1
    assert len(learnt.scores) <= calibration.KNOTS


def test_a_calibration_that_would_not_help_is_not_used():
    assert calibrate([1.0] * 50, np.linspace(0, 1, 50)) == AS_IS
    y = np.tile([0.0, 0.0, 1.0, 1.0], 100)
    assert calibrate(y, y).scores == ()


def test_metrics_without_a_formula_are_not_found():
    with pytest.raises(NotFound, match="pr_auc"):
        estimate("pr_auc", [0.5], AS_IS)


def test_without_rows_nothing_is_known():
    assert isnan(estimate("roc_auc", [nan], AS_IS).value)


def test_a_reading_is_never_a_breach_and_says_what_it_cannot_see():
    told = read(drawn(3)[1])
    assert told.level is Level.OK and isnan(told.threshold) and told.effect == 0.0
    assert told.note.startswith("Green light") and "Blind to" in told.note


def test_outside_known_territory_there_is_no_estimate():
    told = read(drawn(3)[1], Trust(light=Light.RED, auc=0.99, ess_share=0.001))
    assert told.level is Level.NOT_ENOUGH and isnan(told.value)
    assert "outside known territory, no estimate" in told.note


def test_too_few_rows_are_not_asked_for_their_light():
    told = estimated.reading("roc_auc", 2, lambda _: pytest.fail("asked"), lambda: pytest.fail("asked"), loop="l", at=AT, min_rows=100)
    assert told.level is Level.NOT_ENOUGH and told.rows == 2


def test_references_from_before_there_were_estimates_still_open():
    before = DriftReference(chunk="1d", rows=5, features=(), score=None)
    stored = wire.plain(before)
    for name in ("calibration", "sample", "class_calibrations", "losses", "judged"):
        del stored[name]
    assert wire.load(json.dumps(stored).encode(), DriftReference) == before
