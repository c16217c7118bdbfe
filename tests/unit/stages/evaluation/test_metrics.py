import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from noria.core.errors import DataInvalid, NotFound
from noria.core.schema import MARKED_TASKS, Task
from noria.stages.evaluation.metrics import METRICS, main_metric, metric, names_for


def binary_rows(seed: int, rows: int, levels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = (random.random(rows) < 0.3).astype(int)
    y[:2] = 0, 1
    score = 1 / (1 + np.exp(-(random.normal(size=rows) + y - 0.5)))
    return y, np.round(score * levels) / levels if levels else score


def class_rows(seed: int, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes))
    y = (1.5 * logits + random.gumbel(size=(rows, classes))).argmax(axis=1)
    y[:classes] = np.arange(classes)
    return y, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def number_rows(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.maximum(random.normal(50, 10, size=rows), 0)
    return y, np.maximum(y + random.normal(1, 5, size=rows), 0.1)


BINARY = {
    "roc_auc": sk.roc_auc_score,
    "pr_auc": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": sk.brier_score_loss,
    "accuracy": lambda y, s: sk.accuracy_score(y, s >= 0.5),
    "precision": lambda y, s: sk.precision_score(y, s >= 0.5, zero_division=np.nan),
    "recall": lambda y, s: sk.recall_score(y, s >= 0.5),
    "f1": lambda y, s: sk.f1_score(y, s >= 0.5),
    "mcc": lambda y, s: sk.matthews_corrcoef(y, s >= 0.5),
    "balanced_accuracy": lambda y, s: sk.balanced_accuracy_score(y, s >= 0.5),
    "specificity": lambda y, s: sk.recall_score(y, s >= 0.5, pos_label=0),
    "kappa": lambda y, s: sk.cohen_kappa_score(y, s >= 0.5),
    "gini": lambda y, s: 2 * sk.roc_auc_score(y, s) - 1,
    "ks": lambda y, s: stats.ks_2samp(s[y == 1], s[y == 0]).statistic,
}
MULTICLASS = {
    "accuracy": lambda y, s: sk.accuracy_score(y, s.argmax(axis=1)),
    "macro_f1": lambda y, s: sk.f1_score(y, s.argmax(axis=1), average="macro"),
    "log_loss": sk.log_loss,
    "roc_auc": lambda y, s: sk.roc_auc_score(y, s, multi_class="ovr", average="macro"),
    "pr_auc": lambda y, s: sk.average_precision_score(np.eye(s.shape[1])[y], s, average="macro"),
    "balanced_accuracy": lambda y, s: sk.balanced_accuracy_score(y, s.argmax(axis=1)),
    "kappa": lambda y, s: sk.cohen_kappa_score(y, s.argmax(axis=1)),
    "top_accuracy_3": lambda y, s: sk.top_k_accuracy_score(y, s, k=3, labels=np.arange(s.shape[1])) if s.shape[1] > 3 else np.nan,
    "top_accuracy_2": lambda y, s: sk.top_k_accuracy_score(y, s, k=2, labels=np.arange(s.shape[1])),
}
REGRESSION = {
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
    "median_ae": sk.median_absolute_error,
    "bias": lambda y, s: np.mean(s - y),
    "explained_variance": sk.explained_variance_score,
    "ae_90": lambda y, s: np.quantile(np.abs(s - y), 0.9),
    "poisson_deviance": sk.mean_poisson_deviance,
    "tweedie_deviance": lambda y, s: sk.mean_tweedie_deviance(y, s, power=1.5),
}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(4, 400), levels=st.sampled_from([0, 1, 3, 20]))
def test_binary_metrics_are_those_of_scikit_learn_ties_included(seed: int, rows: int, levels: int) -> None:
    y, score = binary_rows(seed, rows, levels)
    for name, theirs in BINARY.items():
        assert metric(name, Task.BINARY).value(y, score) == pytest.approx(theirs(y, score), rel=1e-9, abs=1e-12, nan_ok=True), name


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(12, 300), classes=st.integers(3, 6))
def test_multiclass_metrics_are_those_of_scikit_learn(seed: int, rows: int, classes: int) -> None:
    y, score = class_rows(seed, rows, classes)
    for name, theirs in MULTICLASS.items():
        assert metric(name, Task.MULTICLASS).value(y, score) == pytest.approx(theirs(y, score), rel=1e-9, nan_ok=True), name


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 300))
def test_regression_metrics_are_those_of_scikit_learn(seed: int, rows: int) -> None:
    y, score = number_rows(seed, rows)
    for name, theirs in REGRESSION.items():
        assert metric(name, Task.REGRESSION).value(y, score) == pytest.approx(theirs(y, score), rel=1e-9, nan_ok=True), name


def test_calibration_error_is_the_gap_of_each_bin_weighted_by_its_rows() -> None:
    y = np.array([0, 1, 1, 1, 0, 0])
    score = np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1])
    assert metric("ece", Task.BINARY).value(y, score) == pytest.approx((4 * abs(0.9 - 0.75) + 2 * 0.1) / 6)


def test_every_metric_of_a_task_can_be_had_by_name_and_the_main_one_comes_first() -> None:
    assert set(names_for(Task.BINARY)) == {*BINARY, "ece", "lift_10", "expected_cost"}
    assert {*names_for(Task.MULTICLASS), "top_accuracy_2"} == set(MULTICLASS)
    assert set(names_for(Task.REGRESSION)) == set(REGRESSION)
    for task in MARKED_TASKS:
        assert names_for(task)[0] == main_metric(task)
        assert all(metric(name, task) is METRICS[name] for name in names_for(task))


def test_a_wrong_name_is_answered_with_the_nearest_right_one() -> None:
    with pytest.raises(NotFound, match=r"did you mean .*roc_auc"):
        metric("auc_roc", Task.BINARY)
    with pytest.raises(NotFound, match="not a metric of regression tasks"):
        metric("f1", Task.REGRESSION)


@pytest.mark.parametrize("name", sorted({*BINARY, "ece"}))
def test_what_cannot_be_computed_is_nan_and_no_warning(name: str) -> None:
    value = metric(name, Task.BINARY).value
    assert math.isnan(value([], []))
    assert math.isnan(value([0, 1], [0.2, math.nan]))


def test_one_class_only_has_no_order() -> None:
    for name in ("roc_auc", "pr_auc", "mcc", "recall"):
        assert math.isnan(metric(name, Task.BINARY).value([0, 0, 0], [0.1, 0.6, 0.3])), name
    assert math.isnan(metric("roc_auc", Task.MULTICLASS).value([1, 1], [[0.1, 0.8, 0.1]] * 2))
    assert math.isnan(metric("r2", Task.REGRESSION).value([3.0, 3.0], [2.0, 4.0]))
    assert math.isnan(metric("mape", Task.REGRESSION).value([0.0, 0.0], [2.0, 4.0]))


def test_a_constant_answer_is_uncorrelated() -> None:
    assert metric("mcc", Task.BINARY).value([0, 1, 1], [0.9, 0.9, 0.9]) == 0.0


def test_booleans_are_outcomes_too() -> None:
    assert metric("roc_auc", Task.BINARY).value(np.array([False, True]), [0.1, 0.9]) == 1.0


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(DataInvalid, match="cannot be held against"):
        metric("roc_auc", Task.BINARY).value([0, 1], [0.1])
    with pytest.raises(DataInvalid, match="class 3"):
        metric("log_loss", Task.MULTICLASS).value([0, 3], [[0.1, 0.8, 0.1]] * 2)


def test_goodness_grows_with_quality_for_every_metric() -> None:
    assert METRICS["roc_auc"].goodness(0.8) > METRICS["roc_auc"].goodness(0.7)
    assert METRICS["rmse"].goodness(1.0) > METRICS["rmse"].goodness(2.0)
    assert METRICS["bias"].goodness(-1.0) > METRICS["bias"].goodness(2.0)


def test_every_metric_is_told_of_in_the_documents() -> None:
    told = (Path(__file__).parents[4] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert not [name for name in METRICS if f"`{name}`" not in told]
