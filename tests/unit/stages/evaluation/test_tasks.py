"""Metrics of rankings, forecasts, quantiles, several labels, clusters and anomalies, against scikit-learn and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import LEVELS, rows_of
from scipy import stats
from sklearn import metrics as sk
from sklearn.cluster import KMeans

from noria.core.errors import DataInvalid
from noria.core.schema import Task
from noria.stages.evaluation.blocks import block_length, runs
from noria.stages.evaluation.clusters import stability
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.forecasts import seasonal
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.metrics import measurable, metric

OTHERS = (Task.RANKING, Task.FORECAST, Task.MULTILABEL, Task.QUANTILE, Task.CLUSTERING, Task.ANOMALY)


def value(name: str, task: Task, *rows: object) -> float:
    y, score, told = rows
    return metric(name, task).value(y, score, told)  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.sampled_from([1, 3, 10]))
def test_rankings_are_measured_as_by_scikit_learn_query_by_query(seed: int, k: int) -> None:
    y, score, told = rows_of(Task.RANKING, seed, 200)
    assert told.groups is not None
    queries = [told.groups == query for query in np.unique(told.groups) if y[told.groups == query].sum() > 0]
    if not queries:
        return
    several = [rows for rows in queries if rows.sum() > 1]
    theirs = {query: sk.ndcg_score([y[rows]], [score[rows]], k=k) for query, rows in enumerate(several)}
    kept = np.any(several, axis=0) if several else np.zeros(len(y), dtype=bool)
    if kept.any():
        assert value(f"ndcg_{k}", Task.RANKING, y[kept], score[kept], told.at(kept)) == pytest.approx(np.mean(list(theirs.values())))
    first, found, right = [], [], []
    for rows in queries:
        relevant = (y[rows] > 0)[np.argsort(-score[rows], kind="stable")]
        first.append(1 / (1 + np.argmax(relevant)))
        found.append(relevant[:k].sum() / relevant.sum())
        right.append(relevant[:k].mean())
    assert value("mrr", Task.RANKING, y, score, told) == pytest.approx(np.mean(first))
    assert value(f"recall_{k}", Task.RANKING, y, score, told) == pytest.approx(np.mean(found))
    assert value(f"precision_{k}", Task.RANKING, y, score, told) == pytest.approx(np.mean(right))
    everything = [sk.average_precision_score(y[rows] > 0, score[rows]) for rows in queries]
    assert value("map_100", Task.RANKING, y, score, told) == pytest.approx(np.mean(everything))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(20, 200))
def test_several_labels_are_measured_as_by_scikit_learn(seed: int, rows: int) -> None:
    y, score, told = rows_of(Task.MULTILABEL, seed, rows)
    y[:2] = [0, 0, 0, 0], [1, 1, 1, 1]
    said = score >= 0.5
    theirs = {
        "micro_f1": sk.f1_score(y, said, average="micro"),
        "macro_f1": sk.f1_score(y, said, average="macro"),
        "subset_accuracy": sk.accuracy_score(y, said),
        "hamming_loss": sk.hamming_loss(y, said),
        "ranking_precision": sk.label_ranking_average_precision_score(y, score),
        "roc_auc": sk.roc_auc_score(y, score, average="macro"),
        "pr_auc": sk.average_precision_score(y, score, average="macro"),
        "log_loss": np.mean([sk.log_loss(y[:, at], score[:, at]) for at in range(4)]),
    }
    assert set(measurable(Task.MULTILABEL)) == set(theirs)
    for name, expected in theirs.items():
        assert value(name, Task.MULTILABEL, y, score, told) == pytest.approx(expected), name


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(20, 200))
def test_quantiles_are_measured_as_by_scikit_learn_and_by_hand(seed: int, rows: int) -> None:
    y, score, told = rows_of(Task.QUANTILE, seed, rows)
    losses = [sk.mean_pinball_loss(y, score[:, at], alpha=level) for at, level in enumerate(LEVELS)]
    assert value("pinball", Task.QUANTILE, y, score, told) == pytest.approx(np.mean(losses))
    assert value("pinball_25", Task.QUANTILE, y, score, told) == pytest.approx(losses[1])
    assert value("coverage", Task.QUANTILE, y, score, told) == pytest.approx(((y >= score[:, 0]) & (y <= score[:, 4])).mean())
    assert value("coverage_50", Task.QUANTILE, y, score, told) == pytest.approx(((y >= score[:, 1]) & (y <= score[:, 3])).mean())
    assert value("coverage_gap", Task.QUANTILE, y, score, told) == pytest.approx(value("coverage", Task.QUANTILE, y, score, told) - 0.9)
    assert value("width_50", Task.QUANTILE, y, score, told) == pytest.approx((score[:, 3] - score[:, 1]).mean())
    assert value("crossing", Task.QUANTILE, y, score, told) == 0.0
    assert math.isnan(value("pinball_33", Task.QUANTILE, y, score, told))


def test_many_quantiles_tell_the_ranked_probability_score_of_the_distribution() -> None:
    """CRPS of N(0, 1) at y: y (2Φ(y) − 1) + 2φ(y) − 1/√π (Gneiting & Raftery 2007)."""
    levels = tuple((np.arange(400) + 0.5) / 400)
    y = np.array([-1.0, 0.3, 2.0])
    score = np.tile(stats.norm.ppf(levels), (3, 1))
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert value("crps", Task.QUANTILE, y, score, Given(levels=levels)) == pytest.approx(exact.mean(), abs=2e-3)


def test_levels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataInvalid, match="levels ascending"):
        value("pinball", Task.QUANTILE, [1.0], [[1.0, 2.0]], Given(levels=(0.9, 0.1)))


def test_forecasts_are_measured_by_their_definitions() -> None:
    y, score, told = rows_of(Task.FORECAST, 4, 300)
    assert told.scale is not None and told.rms_scale is not None and told.baseline is not None
    errors = np.abs(score - y)
    theirs = {
        "mase": (errors / told.scale).mean(),
        "rmsse": np.sqrt((errors**2 / told.rms_scale**2).mean()),
        "smape": (2 * errors / (np.abs(y) + np.abs(score))).mean(),
        "wape": errors.sum() / np.abs(y).sum(),
        "skill": 1 - errors.sum() / np.abs(told.baseline - y).sum(),
        "rmse": sk.root_mean_squared_error(y, score),
        "bias": (score - y).mean(),
    }
    for name, expected in theirs.items():
        assert value(name, Task.FORECAST, y, score, told) == pytest.approx(expected), name


def test_a_plain_forecast_repeats_what_was_known_one_season_ago_or_more() -> None:
    """Two series of a season of 3; the second step of a horizon of 4 must go back two seasons."""
    y = np.array([4.0, 5.0, 6.0, 7.0, 40.0, 50.0])
    series = np.array(["a"] * 4 + ["b"] * 2)
    times = np.array([3, 4, 5, 6, 0, 1])
    baseline, scale, rms_scale = seasonal(y, series, times, np.array([1, 1, 1, 4, 1, 1]), season=3, history={"a": [1.0, 2.0, 3.0, 3.5]})
    assert baseline[:4].tolist() == [2.0, 3.0, 3.5, 2.0]
    assert np.isnan(baseline[4:]).all() and np.isnan(scale[4:]).all()
    assert scale[0] == pytest.approx(2.5) and rms_scale[0] == pytest.approx(2.5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_clusters_are_measured_as_by_scikit_learn(seed: int) -> None:
    y, score, told = rows_of(Task.CLUSTERING, seed, 150)
    theirs = {
        "silhouette": sk.silhouette_score(told.points, score),
        "davies_bouldin": sk.davies_bouldin_score(told.points, score),
        "calinski_harabasz": sk.calinski_harabasz_score(told.points, score),
        "adjusted_rand": sk.adjusted_rand_score(y, score),
        "homogeneity": sk.homogeneity_score(y, score),
        "completeness": sk.completeness_score(y, score),
        "v_measure": sk.normalized_mutual_info_score(y, score),
    }
    assert set(measurable(Task.CLUSTERING, told)) == set(theirs)
    for name, expected in theirs.items():
        assert value(name, Task.CLUSTERING, y, score, told) == pytest.approx(expected), name


def test_noise_belongs_to_no_cluster() -> None:
    _, score, told = rows_of(Task.CLUSTERING, 1, 150)
    noisy = score.copy()
    noisy[:20] = -1
    assert value("silhouette", Task.CLUSTERING, np.zeros(150), noisy, told) == pytest.approx(
        sk.silhouette_score(told.points[20:], score[20:])  # type: ignore[index]
    )


def test_clusters_that_are_there_are_stable_and_those_that_are_not_are_not() -> None:
    random = np.random.default_rng(2)
    three = random.normal(size=(300, 2)) + 8 * np.array([[0, 0], [1, 0], [0, 1]])[np.arange(300) % 3]
    one = random.normal(size=(300, 2))

    def nearest(centres: np.ndarray):
        return lambda points: np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)

    def assign(points: np.ndarray) -> np.ndarray:
        return KMeans(3, n_init=1, random_state=int(abs(points.sum()) * 1e6) % 1000).fit_predict(points)

    assert stability(three, nearest(8 * np.array([[0, 0], [1, 0], [0, 1]])), seed=1, resamples=5).value == 1.0
    assert stability(three, assign, seed=1, resamples=8).value > 0.95
    assert stability(one, assign, seed=1, resamples=8).value < 0.75


def test_alerts_go_to_the_strangest_rows_as_many_as_the_budget() -> None:
    y, score, _ = rows_of(Task.ANOMALY, 3, 1_000)
    told = Given(budget=0.05)
    alerted = np.argsort(-score)[:50]
    assert value("alert_precision", Task.ANOMALY, y, score, told) == pytest.approx(y[alerted].mean())
    assert value("alert_recall", Task.ANOMALY, y, score, told) == pytest.approx(y[alerted].sum() / y.sum())
    low, middle, high, top = np.quantile(score, (0.25, 0.5, 0.75, 0.975))
    assert value("separation", Task.ANOMALY, y, score, told) == pytest.approx((top - middle) / (high - low))


def test_lift_counts_ties_at_the_border_in_part() -> None:
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    score = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert metric("lift_10", Task.BINARY).value(y, score) == pytest.approx(5.0)
    assert metric("lift_30", Task.BINARY).value(y, score) == pytest.approx((1 + 0.5) / 2 / 0.3)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in OTHERS for name in measurable(task, rows_of(task, 1, 50)[2])])
def test_intervals_of_other_tasks_cover_the_truth_as_often_as_they_say(task: Task, name: str) -> None:
    rows, trials = 400, 150
    many = 100_000 if task not in (Task.CLUSTERING, Task.MULTILABEL) else 20_000
    y, score, told = rows_of(task, 11, many)
    factor = rows / many if name == "calinski_harabasz" else 1.0
    truth = metric(name, task).value(y, score, told) * factor
    covered = 0
    for seed in range(trials):
        y, score, told = rows_of(task, 1_000 + seed, rows)
        found = estimate(name, y, score, task=task, given=told)
        covered += found.low <= truth <= found.high
    assert covered >= stats.binom.ppf(0.001, trials, 0.92), f"{covered} of {trials}"


@pytest.mark.parametrize("task", OTHERS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(0, 6))
def test_any_few_rows_are_answered_without_a_crash_or_a_warning(task: Task, seed: int, rows: int) -> None:
    y, score, told = rows_of(task, seed, rows)
    for name in measurable(task, told):
        found = estimate(name, y, score, task=task, given=told)
        assert found.n == rows
        assert math.isnan(found.low) or found.low <= found.value <= found.high, name


@pytest.mark.parametrize("alike", [0.0, 0.4, 0.7])
def test_intervals_of_forecasts_know_that_neighbouring_moments_resemble_each_other(alike: float) -> None:
    random, trials, covered, naive = np.random.default_rng(8), 200, 0, 0
    for _ in range(trials):
        errors = random.normal(size=220)
        for at in range(1, 220):
            errors[at] += alike * errors[at - 1]
        errors = np.repeat(errors[100:], 4) + random.normal(0, 0.5, size=480)
        steps = np.repeat(np.arange(120), 4)
        found = estimate("bias", np.zeros(480), errors, task=Task.FORECAST, clusters=steps, serial=True)
        plain = estimate("bias", np.zeros(480), errors, task=Task.FORECAST, clusters=steps)
        covered += found.low <= 0 <= found.high
        naive += plain.low <= 0 <= plain.high
    assert covered >= stats.binom.ppf(0.001, trials, 0.91), f"{covered} of {trials}"
    if alike > 0.5:
        assert naive < 0.75 * trials


def test_runs_are_drawn_of_the_length_that_was_asked_for() -> None:
    drawn = runs(np.random.default_rng(1), 200, 300, 5.0)
    follows = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 300).mean()
    assert follows == pytest.approx(0.8, abs=0.01)
    assert np.bincount(drawn.ravel(), minlength=300).std() < 40


def test_the_length_of_runs_grows_with_how_long_steps_resemble_each_other() -> None:
    """For an autoregression of the first order the best length has a closed form (Patton, Politis & White 2009)."""
    random = np.random.default_rng(3)
    for alike in (0.0, 0.5, 0.8):
        steps = random.normal(size=4_000)
        for at in range(1, 4_000):
            steps[at] += alike * steps[at - 1]
        best = (2 * alike / (1 - alike**2)) ** (2 / 3) * 4_000 ** (1 / 3) if alike else 1.0
        assert block_length(steps) == pytest.approx(best, rel=0.35, abs=1.0), alike


def test_serial_gaps_are_wider_than_independent_ones() -> None:
    random = np.random.default_rng(5)
    state = np.repeat(random.random(60), 40)
    y = (random.random(2_400) < state).astype(float)
    score = np.full(2_400, 0.5)
    wide = estimate("ece", y, score, task=Task.BINARY, serial=True)
    narrow = estimate("ece", y, score, task=Task.BINARY)
    assert wide.se > 2 * narrow.se
