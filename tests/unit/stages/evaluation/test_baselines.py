import numpy as np
import pytest
from scipy import stats

from noria.core.examination.comparing import Claim
from noria.core.schema import Task
from noria.stages.evaluation.baselines import baselines, of_the_past
from noria.stages.evaluation.simple_models import Lesson, last_values, linear, one_feature

DAY_MS = 86_400_000


def world(random, rows, *, task=Task.BINARY, slope=1.5):
    """Rows of a number, a text code that says nothing, and a number with holes; the label follows the first."""
    X = np.column_stack([random.normal(size=rows), random.integers(0, 4, rows), random.normal(size=rows)]).astype(float)
    X[random.random(rows) < 0.1, 2] = np.nan
    if task is Task.REGRESSION:
        return X, slope * X[:, 0] + random.normal(size=rows)
    return X, (random.random(rows) < 1 / (1 + np.exp(-slope * X[:, 0]))).astype(float)


def lesson(X, y, task=Task.BINARY):
    classes = {Task.BINARY: 2, Task.MULTICLASS: 3}.get(task, 0)
    return Lesson(X=X, y=y, columns=("size", "colour", "age"), categorical=frozenset({1}), classes=classes)


def beside(score, X, y, *, task=Task.BINARY, by="roc_auc", learnt=None):
    return baselines(learnt or lesson(X[:500], y[:500], task), X[500:], y[500:], score, task=task, by=by, clusters=None)


def test_each_simple_model_is_marked_best_first():
    X, y = world(np.random.default_rng(1), 2_500)
    found = beside(X[500:, 0], X, y)
    values = [mark.mark.value for mark in found.marks]
    assert {mark.name for mark in found.marks} == {"constant", "one-feature", "linear"}
    assert values == sorted(values, reverse=True) and values[-1] == 0.5
    assert found.best == found.marks[0].name == "linear"
    assert next(mark for mark in found.marks if mark.name == "one-feature").says == "the mean label by size alone"


def test_a_candidate_that_knows_no_more_is_told_so():
    X, y = world(np.random.default_rng(2), 2_500)
    _, answers = linear(lesson(X[:500], y[:500]))
    assert "not shown to be better than logistic regression on all 3 features" in beside(answers(X[500:]), X, y).note
    knowing = 0.5 * X[500:, 0] + 2 * y[500:]
    assert beside(knowing, X, y).note == ""


def test_a_candidate_no_better_than_the_baseline_is_seldom_shown_better():
    random, trials, wrong = np.random.default_rng(3), 60, 0
    for _ in range(trials):
        X, y = world(random, 1_100)
        _, answers = linear(lesson(X[:500], y[:500]))
        rival = answers(X[500:]) + 1e-3 * random.normal(size=600)
        wrong += beside(rival, X, y).marks[0].claim is Claim.BETTER
    assert wrong <= stats.binom.ppf(0.999, trials, 0.05)


def test_every_metric_has_its_own_best_baseline():
    X, y = world(np.random.default_rng(4), 2_500, task=Task.REGRESSION)
    found = beside(X[500:, 0], X, y, task=Task.REGRESSION, by="rmse")
    assert {"rmse", "mae", "r2"} <= {one.metric for one in found.by_metric}
    assert {mark.name for mark in found.marks} == {"constant", "median", "one-feature", "linear"}


def test_classes_have_baselines_too():
    random = np.random.default_rng(5)
    X, _ = world(random, 2_500)
    y = np.clip(np.digitize(X[:, 0] + 0.3 * random.normal(size=2_500), [-0.5, 0.5]), 0, 2).astype(float)
    found = beside(np.tile([0.3, 0.4, 0.3], (2_000, 1)), X, y, task=Task.MULTICLASS, by="log_loss")
    assert found.best == "linear" and "not shown" in found.note


def test_a_class_that_the_training_rows_lack_is_no_error():
    X, y = world(np.random.default_rng(6), 600)
    learnt = Lesson(X=X[:500], y=y[:500], columns=("a", "b", "c"), categorical=frozenset({1}), classes=3)
    _, answers = linear(learnt)
    assert answers(X[500:]).shape == (100, 3)
    assert np.allclose(answers(X[500:]).sum(axis=1), 1.0)


def test_a_feature_that_is_always_missing_is_no_error():
    X, y = world(np.random.default_rng(7), 600)
    X[:, 2] = np.nan
    says, answers = one_feature(lesson(X[:500], y[:500]))
    assert "size" in says and np.isfinite(answers(X[500:])).all()


@pytest.mark.parametrize(("back", "expected"), [(0, [np.nan, np.nan, 1.0, 2.0, 30.0]), (3 * DAY_MS, [np.nan, np.nan, np.nan, 1.0, np.nan])])
def test_what_was_known_of_the_same_series_is_repeated(back, expected):
    series, days = ["a", "a", "a", "a", "b"], np.array([0, 1, 2, 3, 9])
    series, days = [*series, "b"], np.append(days, 4)
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 30.0])
    asked = np.array([True] * 5 + [False])
    found = last_values(series, days * DAY_MS, y, asked, delay_ms=2 * DAY_MS, back_ms=back)
    assert found == pytest.approx(expected, nan_ok=True)


def test_models_of_the_past_are_there_only_where_keys_come_again():
    times = np.arange(60) * DAY_MS
    y, judged = np.sin(np.arange(60) * 2 * np.pi / 7), np.arange(60) >= 40
    found = of_the_past(["shop"] * 60, times, y, judged, delay_ms=DAY_MS)
    assert set(found) == {"last-value", "seasonal"}
    assert found["seasonal"][1] == pytest.approx(y[40:])
    assert of_the_past([f"order {n}" for n in range(60)], times, y, judged, delay_ms=DAY_MS) == {}
