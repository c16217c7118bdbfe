from datetime import UTC, datetime, timedelta
from math import isnan, nan

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Estimate
from noria.core.watching import Level
from noria.stages.monitoring.quality import realised

AT = datetime(2013, 6, 1, tzinfo=UTC)


def rows(n, days=10, **columns):
    times = [AT - timedelta(days=1 + i % days) for i in range(n)]
    return pl.DataFrame({"time": times, "answer": [0.5] * n, "outcome": [float(i % 2) for i in range(n)], **columns})


def says(value, half, n=1_000):
    return lambda y, score: Estimate(value=value, low=value - half, high=value + half, n=len(y), se=half / 1.96)


def read(labelled, estimate, **changed):
    facts = {"loop": "l", "at": AT, "reference": 0.75, "drop": 0.03, "higher_is_better": True, "min_rows": 250}
    return realised("roc_auc", labelled, estimate=estimate, **{**facts, **changed})


def test_a_fall_that_matters_and_that_chance_does_not_explain_breaches():
    found = read(rows(1_000), says(0.70, 0.02))
    assert found.level is Level.BREACH
    assert found.threshold == pytest.approx(0.72)
    assert found.effect == pytest.approx(0.05 / 0.03 - 1)
    assert "0.700 [0.680, 0.720] on 1,000 labelled rows" in found.note


def test_a_fall_within_the_drop_or_within_chance_does_not_breach():
    assert read(rows(1_000), says(0.73, 0.001)).level is Level.OK
    assert read(rows(1_000), says(0.70, 0.06)).level is Level.OK
    assert read(rows(1_000), says(0.90, 0.01)).level is Level.OK


def test_for_losses_a_rise_is_the_fall():
    assert read(rows(1_000), says(0.80, 0.02), higher_is_better=False).level is Level.BREACH
    assert read(rows(1_000), says(0.70, 0.02), higher_is_better=False).level is Level.OK


def test_days_that_differ_widen_the_interval():
    assert read(rows(1_000, days=4), says(0.70, 0.02), chunk_sd=0.1).level is Level.OK
    found = read(rows(1_000, days=4), says(0.70, 0.02), chunk_sd=0.1)
    assert found.high == pytest.approx(0.70 + 1.96 * 0.1 / 2, abs=1e-3)


def test_few_rows_or_no_reference_or_no_value_are_not_enough_data():
    assert read(rows(249), says(0.1, 0.01)).level is Level.NOT_ENOUGH
    assert read(pl.DataFrame(), says(0.1, 0.01)).level is Level.NOT_ENOUGH
    assert read(rows(1_000), says(nan, 0.01)).level is Level.NOT_ENOUGH
    none = read(rows(1_000), says(0.1, 0.01), reference=nan)
    assert none.level is Level.NOT_ENOUGH and isnan(none.threshold)


def test_rows_without_an_answer_or_an_outcome_are_left_out():
    labelled = rows(1_000).with_columns(answer=pl.when(pl.int_range(1_000) < 600).then(pl.col("answer")))
    assert read(labelled, says(0.70, 0.02)).rows == 600


def test_several_classes_come_as_a_matrix():
    seen = []

    def estimate(y, score):
        seen.append((y.shape, score.shape))
        return Estimate(value=0.7, low=0.69, high=0.71, n=len(y))

    read(rows(300, answers=[[0.2, 0.3, 0.5]] * 300), estimate)
    assert seen == [((300,), (300, 3))]


def test_with_no_fall_the_rule_breaches_less_often_than_the_interval_misses():
    rng, breaches = np.random.default_rng(3), 0
    for _ in range(400):
        wrong = rng.random(1_000) < 0.25
        mean, se = 1 - wrong.mean(), wrong.std() / np.sqrt(1_000)
        breaches += read(rows(1_000), says(mean, 1.96 * se), drop=0.0).level is Level.BREACH
    assert breaches / 400 < 0.04
