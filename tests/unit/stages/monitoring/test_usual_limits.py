"""Errors, latencies and outcomes are held against what has been usual: false alarms and power, by simulation."""

from datetime import UTC, datetime
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from noria.core.schema import Estimate
from noria.core.watching import Level
from noria.stages.monitoring import labels, operations
from noria.stages.monitoring.prediction_bias import bias_reading
from noria.stages.monitoring.usual import quantile_interval, share_interval, usual_of

HOW = {"loop": "l", "at": datetime(2024, 1, 1, tzinfo=UTC)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.integers(1, 400))
def test_the_interval_of_a_share_is_wilsons(events, more):
    oracle = binomtest(events, events + more).proportion_ci(0.95, method="wilson")
    assert share_interval(events, events + more, 0.95) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_the_interval_of_a_quantile_holds_it_whatever_the_distribution():
    random = np.random.default_rng(1)
    held = [quantile_interval(np.sort(random.exponential(size=300)), 0.9, 0.95) for _ in range(300)]
    assert np.mean([low <= -np.log(0.1) <= high for _, low, high in held]) == pytest.approx(0.96, abs=0.03)
    assert all(low <= value <= high for value, low, high in held)


def series(read, draw, days, start=()):
    """Day after day: each reading's value joins the past unless it breached."""
    past, told = list(start), []
    for day in range(days):
        reading = read(draw(day), past)
        told.append(reading)
        past = [*past, reading.value][-60:] if reading.level is not Level.BREACH else past
    return told


def breaches(readings):
    return sum(reading.level is Level.BREACH for reading in readings)


def test_errors_that_are_usual_alert_less_than_once_in_a_thousand_days_and_many_at_once():
    random = np.random.default_rng(2)
    daily = np.clip(0.01 * np.exp(random.normal(0, 0.3, 600)), 0, 1)

    def read(share, past):
        failed = random.binomial(800, share)
        return operations.errors({"failed": failed}, 800, {"failed": past}, **HOW, min_rows=250)[0]

    quiet = series(read, lambda day: daily[day], 600)
    assert breaches(quiet) <= 3
    past = [reading.value for reading in quiet[-60:]]
    assert breaches(read(0.08, past) for _ in range(50)) >= 47


def test_a_service_that_answers_slower_alerts_and_one_that_nobody_feels_does_not():
    random = np.random.default_rng(3)

    def read(scale, past):
        latency = scale * np.exp(random.normal(0, 0.5, 600) + random.normal(0, 0.15))
        return operations.slowness(latency, {"p99": past}, **HOW, most={}, min_rows=250)[1]

    quiet = series(read, lambda day: 15.0, 400)
    assert breaches(quiet) <= 3 and quiet[3].level is Level.NOT_ENOUGH and "3 so far" in quiet[3].note
    past = [reading.value for reading in quiet[-60:]]
    assert breaches(read(60.0, past) for _ in range(40)) >= 38
    fast = series(lambda scale, past: read(scale, past), lambda day: 0.5, 30)
    assert breaches(read(1.5, [reading.value for reading in fast]) for _ in range(40)) == 0


def test_a_declared_limit_needs_no_past():
    latency = np.linspace(1, 100, 1_000)
    told = operations.slowness(latency, {}, **HOW, most={"p99": 50.0}, min_rows=250)
    assert [reading.level for reading in told] == [Level.NOT_ENOUGH, Level.BREACH] and told[1].threshold == 50.0


def test_outcomes_that_stop_coming_are_missed_and_a_usual_week_is_not():
    random = np.random.default_rng(4)

    def read(share, past):
        return labels.coverage(random.binomial(500, share), 500, past, **HOW)

    quiet = series(read, lambda day: min(0.82 + random.normal(0, 0.02), 1.0), 500)
    assert breaches(quiet) <= 3
    past = [reading.value for reading in quiet[-60:]]
    assert breaches(read(0.6, past) for _ in range(40)) >= 38
    assert labels.coverage(700, 1_000, [], **HOW, at_least=0.8).level is Level.BREACH
    assert labels.coverage(10, 20, [], **HOW, at_least=0.8).level is Level.NOT_ENOUGH


def test_outcomes_that_come_later_than_usual_alert():
    random = np.random.default_rng(5)

    def read(days, past):
        return labels.delay(random.exponential(days * 86_400, 400), past, **HOW)

    quiet = series(read, lambda day: 1 + random.normal(0, 0.05), 400)
    assert breaches(quiet) <= 3
    assert breaches(read(2.0, [reading.value for reading in quiet[-60:]]) for _ in range(40)) >= 38
    assert labels.delay(np.full(300, 3 * 86_400.0), [], **HOW, at_most_s=2 * 86_400).level is Level.BREACH
    assert isnan(labels.delay(np.empty(0), [], **HOW).value)


def test_with_few_past_readings_nothing_is_usual_yet():
    assert not usual_of([0.1] * 9).known and usual_of([0.1] * 9).chunks == 9
    assert usual_of([0.1, nan] * 12).mean == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("value", "low", "high", "n", "level"),
    [
        (0.08, 0.04, 0.12, 900, Level.BREACH),
        (-0.08, -0.12, -0.04, 900, Level.BREACH),
        (0.08, -0.01, 0.17, 900, Level.OK),
        (0.03, 0.02, 0.04, 900, Level.OK),
        (0.5, 0.4, 0.6, 20, Level.NOT_ENOUGH),
    ],
)
def test_a_bias_alerts_when_it_matters_and_chance_does_not_explain_it(value, low, high, n, level):
    told = bias_reading("answers", Estimate(value=value, low=low, high=high, n=n), 0.3, **HOW, by=0.05, min_rows=250)
    assert told.level is level and (told.effect > 0) == (level is Level.BREACH or value == 0.08)
