import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noria.core.schema import Task
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import measurable, metric
from noria.stages.evaluation.paired import compare

DAYS = 18
COMMON = (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)


def rows_of(task: Task, random: np.random.Generator, rows: int, days: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Outcomes and scores; with days, each day has an effect of its own on all its outcomes."""
    day = random.integers(0, days, rows) if days else None
    shared = 0.0 if day is None else random.normal(0, 0.5, size=days)[day]
    if task is Task.REGRESSION:
        said = 40 + random.normal(size=rows)
        return said + shared + random.standard_t(6, size=rows), said + 0.5 * random.normal(size=rows), day
    if task is Task.MULTICLASS:
        logits = random.normal(size=(rows, 3))
        y = (1.5 * logits + np.outer(shared, [1, 0, 0]) * np.ones((rows, 1)) + random.gumbel(size=(rows, 3))).argmax(axis=1)
        odds = np.exp(logits + 0.5 * random.normal(size=(rows, 3)))
        return y, odds / odds.sum(axis=1, keepdims=True), day
    x = random.normal(size=rows)
    y = (random.random(rows) < 1 / (1 + np.exp(1.5 - 1.5 * x - shared))).astype(float)
    return y, 1 / (1 + np.exp(1.4 - 1.2 * x - 0.5 * random.normal(size=rows))), day


def delong_variance(y: np.ndarray, score: np.ndarray) -> float:
    """Equation 5 of DeLong et al. (1988), comparing all pairs."""
    ones, zeros = score[y == 1], score[y == 0]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    return wins.mean(axis=1).var(ddof=1) / len(ones) + wins.mean(axis=0).var(ddof=1) / len(zeros)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(10, 200), levels=st.sampled_from([2, 10, 1000]))
def test_the_standard_error_of_roc_auc_is_delongs(seed: int, rows: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    y = (np.arange(rows) % 3 == 0).astype(int)
    score = np.round((random.random(rows) + 0.5 * y) * levels) / levels
    found = estimate("roc_auc", y, score, task=Task.BINARY)
    assert found.se**2 == pytest.approx(delong_variance(y, score), rel=1e-9, abs=1e-12)


def test_a_mean_has_the_interval_of_student() -> None:
    y, score, _ = rows_of(Task.REGRESSION, np.random.default_rng(1), 40)
    found = estimate("mae", y, score, task=Task.REGRESSION, level=0.9)
    low, high = stats.t.interval(0.9, 39, loc=np.abs(y - score).mean(), scale=stats.sem(np.abs(y - score)))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_share_has_the_interval_of_wilson() -> None:
    y = np.ones(1000)
    score = np.where(np.arange(1000) < 970, 0.9, 0.1)
    found = estimate("accuracy", y, score, task=Task.BINARY)
    theirs = stats.binomtest(970, 1000).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=2e-4)


def test_rows_that_all_agree_still_leave_room_for_doubt() -> None:
    found = estimate("accuracy", np.ones(20), np.full(20, 0.9), task=Task.BINARY)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.8 < found.low < 0.9
    separated = estimate("roc_auc", [0] * 500 + [1] * 5, [0.1] * 500 + [0.9] * 5, task=Task.BINARY)
    assert separated.low < 0.6


def test_clusters_take_each_day_as_one_observation() -> None:
    errors = np.array([1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 3.0, 3.0, 3.0])
    days = np.repeat([10, 11, 12], 3)
    found = estimate("mae", np.zeros(9), errors, task=Task.REGRESSION, clusters=days)
    assert found.se == pytest.approx(stats.sem([1.0, 5.0, 3.0]))
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 2) * found.se)


def test_one_class_gives_nan_and_the_number_of_rows() -> None:
    found = estimate("roc_auc", np.zeros(30), np.linspace(0, 1, 30), task=Task.BINARY)
    assert found.n == 30
    assert all(math.isnan(number) for number in (found.value, found.low, found.high, found.se))


def test_one_cluster_gives_a_value_without_an_interval() -> None:
    found = estimate("brier", [0, 1, 1], [0.2, 0.7, 0.9], task=Task.BINARY, clusters=np.zeros(3))
    assert found.value == pytest.approx(0.14 / 3)
    assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.se)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("task", COMMON)
def test_the_value_lies_in_its_interval_and_the_interval_in_the_bounds(task: Task, clustered: bool) -> None:
    y, score, day = rows_of(task, np.random.default_rng(2), 500, DAYS if clustered else 0)
    for name in (name for name in measurable(task) if not metric(name, task).partial):
        found, bounds = estimate(name, y, score, task=task, clusters=day), metric(name, task).bounds
        assert bounds[0] <= found.low <= found.value <= found.high <= bounds[1], name
        assert found.se > 0, name
        assert found.low < found.high, name


def test_the_same_seed_gives_the_same_interval() -> None:
    y, score, _ = rows_of(Task.BINARY, np.random.default_rng(3), 300)
    again = [estimate("ece", y, score, task=Task.BINARY, seed=5) for _ in range(2)]
    assert again[0] == again[1]


ANY_SCORE = {Task.BINARY: st.floats(-2, 2), Task.REGRESSION: st.floats(-1e6, 1e6), Task.MULTICLASS: st.tuples(*[st.floats(0, 1)] * 3)}


@pytest.mark.parametrize("task", COMMON)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_few_rows_are_answered_without_a_crash_or_a_warning(task: Task, data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 8))
    y = data.draw(st.lists(st.integers(0, 2 if task is Task.MULTICLASS else 1), min_size=rows, max_size=rows))
    shape = (rows, 3) if task is Task.MULTICLASS else (rows,)
    scores = [np.array(data.draw(st.lists(ANY_SCORE[task], min_size=rows, max_size=rows))).reshape(shape) for _ in range(2)]
    day = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=rows, max_size=rows).map(np.array))
    for name in measurable(task):
        found = estimate(name, y, scores[0], task=task, clusters=day)
        assert found.n == rows
        assert math.isnan(found.low) or found.low <= found.value <= found.high, name
        versus = compare(name, y, *scores, task=task, clusters=day)
        assert math.isnan(versus.low) or versus.low <= versus.value <= versus.high, name


@pytest.mark.parametrize("days", [0, DAYS])
@pytest.mark.parametrize(("task", "name"), [(task, name) for task in COMMON for name in measurable(task) if not metric(name, task).partial])
def test_intervals_cover_the_truth_as_often_as_they_say(task: Task, name: str, days: int) -> None:
    rows, trials = (900, 200) if days else (300, 200)
    wide = rows_of(task, np.random.default_rng(11), 120_000, days=4_000 if days else 0)
    truth = metric(name, task).value(wide[0], wide[1])
    random = np.random.default_rng(12)
    covered = 0
    for seed in range(trials):
        y, score, day = rows_of(task, random, rows, days)
        found = estimate(name, y, score, task=task, clusters=day, seed=seed)
        covered += found.low <= truth <= found.high
    assert covered >= stats.binom.ppf(0.001, trials, 0.93), f"{covered} of {trials}"


def test_a_badly_calibrated_score_has_a_calibration_error_well_above_nothing() -> None:
    random = np.random.default_rng(4)
    chance = random.random(2_000)
    y = random.random(2_000) < chance
    found = estimate("ece", y, chance**3, task=Task.BINARY)
    truth = 0.25
    assert 0.15 < found.low <= truth <= found.high < 0.3
