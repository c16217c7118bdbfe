"""Backtests and ageing: models of several moments on the same rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from noria.core.schema import Task
from noria.stages.evaluation.backtest import backtest
from noria.stages.evaluation.metrics import metric
from noria.stages.evaluation.paired import compare
from noria.stages.evaluation.past import Past
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.evaluation.staleness import staleness

START, DAY_MS = datetime(2024, 1, 1, tzinfo=UTC), 86_400_000
TRAIN, WINDOW = 40, 10


def made(random: np.random.Generator, *, turning: float = 0.0, per_day: int = 30, windows: int = 5, by: str = "roc_auc") -> Past:
    """A world whose truth turns by `turning` radians in 30 days, whose days resemble their neighbours; one model per window."""
    days = TRAIN + WINDOW * windows
    day = np.repeat(np.arange(days), per_day)
    shared = np.zeros((days, 3))
    for today in range(1, days):
        shared[today] = 0.5 * shared[today - 1] + random.normal(0, 0.2, 3)
    X = random.normal(size=(len(day), 3)) + shared[day]
    angle = turning * day / 30
    logit = X[:, 0] * 1.2 * np.cos(angle) + X[:, 1] * 1.2 * np.sin(angle) + 0.5 * X[:, 2]
    y = (random.random(len(day)) < 1 / (1 + np.exp(-logit))).astype(float)
    times = np.datetime64("2024-01-01", "ms") + day * DAY_MS + (np.arange(len(day)) % per_day) * 1_000
    answers = {}
    for place in range(windows):
        at = TRAIN + place * WINDOW
        rows = slice((at - TRAIN) * per_day, at * per_day)
        answers[place] = LogisticRegression().fit(X[rows], y[rows]).predict_proba(X[at * per_day :])[:, 1]
    return Past(
        task=Task.BINARY,
        by=by,
        times=times[TRAIN * per_day :],
        y=y[TRAIN * per_day :],
        starts=tuple(START + timedelta(days=TRAIN + place * WINDOW) for place in range(windows)),
        end=START + timedelta(days=days),
        answers=answers,
        trained_rows=dict.fromkeys(answers, TRAIN * per_day),
        champion=answers[0],
        champion_from=START + timedelta(days=TRAIN + 2 * WINDOW),
    )


def test_each_window_has_the_marks_of_its_own_rows():
    past = made(np.random.default_rng(1))
    told = backtest(past, until=past.starts[4])
    assert [window.start for window in told.windows] == list(past.starts[:4])
    second = told.windows[1]
    y, answers = past.y[300:600], past.answers[1][:300]
    assert second.rows == second.mark.n == 300
    assert second.mark.value == pytest.approx(metric("roc_auc", Task.BINARY).value(y, answers))


def test_the_champion_is_compared_only_where_it_was_not_trained():
    past = made(np.random.default_rng(2))
    told = backtest(past, until=past.end)
    assert [window.fair for window in told.windows] == [False, False, True, True, True]
    assert told.windows[0].versus is None and "trained on these rows" in told.windows[0].note
    rows = slice(600, 900)
    same = compare(
        "roc_auc", past.y[rows], past.answers[2][:300], past.champion[rows], task=Task.BINARY, clusters=time_blocks(past.times[rows])
    )
    found = told.windows[2].versus
    assert (found.value, found.se) == pytest.approx((same.value, same.se))
    pooled = [window.versus.value for window in told.windows[2:]]
    assert told.versus.value == pytest.approx(np.mean(pooled)) and told.versus.n == 900


def test_pooled_windows_are_independent():
    past = made(np.random.default_rng(3))
    told = backtest(past, until=past.end)
    apart = math.sqrt(sum(window.mark.se**2 for window in told.windows)) / 5
    assert told.mark.se == pytest.approx(apart, rel=0.1)


def test_a_loss_is_worse_when_it_is_higher():
    past = made(np.random.default_rng(4), turning=0.5, by="log_loss")
    found = staleness(past, constant=0.69, tolerance=None)
    assert found.lost_per_day.low > 0 and found.points[-1].lost.low > 0


def test_ageing_is_found_and_says_how_often_to_retrain():
    past = made(np.random.default_rng(5), turning=0.4, per_day=60)
    found = staleness(past, constant=0.5, tolerance=0.02, delay_days=1.0)
    assert [point.age_days for point in found.points] == pytest.approx([6, 16, 26, 36, 46])
    assert [point.windows for point in found.points] == [5, 4, 3, 2, 1]
    assert found.points[0].lost.value == 0.0
    every = found.retrain_every_days
    assert every.value == pytest.approx(0.02 / found.lost_per_day.value)
    assert every.low < every.value < every.high
    assert found.half_life_days.value == pytest.approx((found.points[0].mark.value - 0.5) / 2 / found.lost_per_day.value)
    assert "retrain every" in found.advice and "to lose less than 0.02" in found.advice


def test_where_nothing_changes_ageing_is_seldom_shown():
    random, trials = np.random.default_rng(6), 80
    found = [staleness(made(random), constant=0.5, tolerance=None) for _ in range(trials)]
    shown = sum(one.lost_per_day.low > 0 for one in found)
    assert shown <= stats.binom.ppf(0.999, trials, 0.035)
    assert all("no ageing is shown" in one.advice for one in found if not one.lost_per_day.low > 0)
    assert np.mean([one.lost_per_day.value for one in found]) * 30 == pytest.approx(0.0, abs=0.003)


def test_where_the_truth_turns_ageing_is_mostly_shown():
    random = np.random.default_rng(7)
    found = [staleness(made(random, turning=0.4), constant=0.5, tolerance=None) for _ in range(20)]
    assert sum(one.lost_per_day.low > 0 for one in found) >= 18


def test_with_one_window_nothing_can_be_said_of_ageing():
    assert staleness(made(np.random.default_rng(8), windows=1), constant=0.5, tolerance=None) is None


def test_models_that_answer_alike_do_not_age():
    past = made(np.random.default_rng(9))
    same = np.linspace(0, 1, len(past.y))
    alike = Past(
        task=past.task,
        by=past.by,
        times=past.times,
        y=past.y,
        starts=past.starts,
        end=past.end,
        answers={place: same[place * 300 :] for place in range(5)},
        trained_rows=past.trained_rows,
    )
    assert "could not be told" in staleness(alike, constant=0.5, tolerance=None).advice


def test_a_window_of_one_class_is_left_out_of_the_mean():
    past = made(np.random.default_rng(10))
    past.y[:300] = 0.0
    told = backtest(past, until=past.end)
    assert math.isnan(told.windows[0].mark.value)
    assert told.mark.n == 1_200 and math.isfinite(told.mark.value)
