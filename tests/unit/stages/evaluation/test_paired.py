import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noria.core.schema import Task
from noria.stages.evaluation.metrics import measurable, metric
from noria.stages.evaluation.paired import compare

COMMON = (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)


def rivals(
    task: Task, random: np.random.Generator, rows: int, days: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Outcomes and two scores, equally good and each with errors of its own, some shared by all rows of a day."""
    day = random.integers(0, days, rows) if days else None

    def error(shape: tuple[int, ...]) -> np.ndarray:
        own = 0.5 * random.normal(size=shape)
        return own if day is None else own + (0.4 * random.normal(size=(days, *shape[1:])))[day]

    if task is Task.REGRESSION:
        mean = 40 + random.normal(size=rows)
        return mean + random.normal(size=rows), mean + error((rows,)), mean + error((rows,)), day
    if task is Task.MULTICLASS:
        logits = random.normal(size=(rows, 3))
        odds = [np.exp(logits + error((rows, 3))) for _ in range(2)]
        y = (1.5 * logits + random.gumbel(size=(rows, 3))).argmax(axis=1)
        return y, *(odd / odd.sum(axis=1, keepdims=True) for odd in odds), day
    x = random.normal(size=rows)
    y = (random.random(rows) < 1 / (1 + np.exp(1.5 - 1.5 * x))).astype(float)
    return y, *(1 / (1 + np.exp(1.4 - 1.2 * x - error((rows,)))) for _ in range(2)), day


@pytest.mark.parametrize("days", [0, 18])
@pytest.mark.parametrize(("task", "name"), [(task, name) for task in COMMON for name in measurable(task) if name != "top_accuracy_3"])
def test_equal_models_are_seldom_told_apart(task: Task, name: str, days: int) -> None:
    random, trials = np.random.default_rng(21), 200
    better = worse = 0
    for seed in range(trials):
        y, candidate, champion, day = rivals(task, random, 900 if days else 300, days)
        found = compare(name, y, candidate, champion, task=task, clusters=day, seed=seed)
        better, worse = better + (found.low > 0), worse + (found.high < 0)
    assert max(better, worse) <= stats.binom.ppf(0.999, trials, 0.035), f"{better} better and {worse} worse of {trials}"


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in COMMON for name in measurable(task) if name != "top_accuracy_3"])
def test_a_better_candidate_has_a_positive_difference_whichever_way_the_metric_points(task: Task, name: str) -> None:
    y, good, champion, _ = rivals(task, np.random.default_rng(22), 4_000)
    random = np.random.default_rng(23)
    if task is Task.REGRESSION:
        bad = champion + 1.0 + random.normal(size=len(y))
    elif task is Task.MULTICLASS:
        bad = champion[:, [1, 2, 0]]
    else:
        bad = random.permutation(champion)
    gained = compare(name, y, good, bad, task=task)
    lost = compare(name, y, bad, good, task=task)
    assert gained.low > 0
    assert (lost.value, lost.low, lost.high) == pytest.approx((-gained.value, -gained.high, -gained.low))
    known = metric(name, task)
    assert gained.value == pytest.approx(known.goodness(known.value(y, good)) - known.goodness(known.value(y, bad)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(10, 150))
def test_the_difference_of_two_roc_aucs_has_the_variance_of_delong(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    y = (np.arange(rows) % 3 == 0).astype(int)
    scores = [np.round(random.random(rows) + 0.5 * y, 1) for _ in range(2)]
    wins = [(s[y == 1][:, None] > s[y == 0]) + 0.5 * (s[y == 1][:, None] == s[y == 0]) for s in scores]
    ours, theirs = (np.cov([w.mean(axis=axis) for w in wins]) for axis in (1, 0))
    covariance = ours / (y == 1).sum() + theirs / (y == 0).sum()
    contrast = np.array([1.0, -1.0])
    found = compare("roc_auc", y, *scores, task=Task.BINARY)
    assert found.se**2 == pytest.approx(contrast @ covariance @ contrast, rel=1e-9, abs=1e-12)


def test_clusters_of_roc_auc_follow_obuchowski() -> None:
    random = np.random.default_rng(24)
    days, y = np.repeat(np.arange(12), 30), np.tile([1, 0, 0], 120)
    score = np.round(random.random(360) + 0.4 * y + 0.3 * random.normal(size=12)[days], 1)
    wins = (score[y == 1][:, None] > score[y == 0]) + 0.5 * (score[y == 1][:, None] == score[y == 0])
    auc, ones, zeros, groups = wins.mean(), 120, 240, 12
    of_ones = np.bincount(days[y == 1], weights=wins.mean(axis=1) - auc)
    of_zeros = np.bincount(days[y == 0], weights=wins.mean(axis=0) - auc)
    s10 = groups / ((groups - 1) * ones) * (of_ones**2).sum()
    s01 = groups / ((groups - 1) * zeros) * (of_zeros**2).sum()
    s11 = groups / (groups - 1) * (of_ones * of_zeros).sum()
    variance = s10 / ones + s01 / zeros + 2 * s11 / (ones * zeros)
    found = compare("roc_auc", y, score, np.zeros(360), task=Task.BINARY, clusters=days)
    assert found.value == pytest.approx(auc - 0.5)
    assert found.se**2 == pytest.approx(variance)


def test_the_difference_of_two_means_is_the_paired_t_interval() -> None:
    y, candidate, champion, _ = rivals(Task.REGRESSION, np.random.default_rng(25), 50)
    gains = np.abs(y - champion) - np.abs(y - candidate)
    found = compare("mae", y, candidate, champion, task=Task.REGRESSION)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 49, loc=gains.mean(), scale=stats.sem(gains)))


def test_a_model_does_not_differ_from_itself() -> None:
    y, score, _, _ = rivals(Task.BINARY, np.random.default_rng(26), 200)
    for name in measurable(Task.BINARY):
        found = compare(name, y, score, score, task=Task.BINARY)
        assert (found.value, found.low, found.high, found.se) == (0.0, 0.0, 0.0, 0.0), name


def test_what_cannot_be_compared_is_nan_with_its_rows() -> None:
    found = compare("roc_auc", np.zeros(9), np.linspace(0, 1, 9), np.linspace(1, 0, 9), task=Task.BINARY)
    assert found.n == 9 and math.isnan(found.value) and math.isnan(found.low)
    broken = compare("log_loss", [0, 1], [0.1, math.nan], [0.2, 0.8], task=Task.BINARY)
    assert math.isnan(broken.value)
