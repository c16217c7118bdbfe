from datetime import UTC, datetime
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from noria.core.performance import MaturityCurve
from noria.ports import wire
from noria.stages.monitoring import maturity
from noria.stages.monitoring.maturity import maturity_curve, maturity_of, share_by

AT = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=80)


def drawn(ages, came, **more):
    return maturity_curve(ages, came, loop="l", at=AT, **more)


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero", "ignore:The confidence interval is undefined")
@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_the_curve_is_kaplan_and_meiers(rows):
    ages, came = np.array([a for a, _ in rows], dtype=float), np.array([c for _, c in rows])
    curve = drawn(ages, came, fewest=1)
    if not came.any():
        assert curve.share == ()
        return
    oracle = ecdf(CensoredData(uncensored=ages[came], right=ages[~came])).sf
    assert share_by(curve, np.arange(13)) == pytest.approx(1 - oracle.evaluate(np.arange(13)))
    interval = oracle.confidence_interval(method="log-log")
    for age, share, low, high in zip(curve.age_s, curve.share, curve.low, curve.high, strict=True):
        ends = [1 - interval.high.evaluate(age), 1 - interval.low.evaluate(age)]
        if np.isfinite(ends).all() and share < 1:
            assert [low, high] == pytest.approx(ends)


def deployed(seed, days=60, per_day=50, comes=0.8, mean_days=3.0):
    """Predictions of many days; four of five get an outcome, after three days on average."""
    random = np.random.default_rng(seed)
    age_now = random.uniform(0, days, days * per_day)
    delay = np.where(random.random(len(age_now)) < comes, random.exponential(mean_days, len(age_now)), np.inf)
    return np.minimum(age_now, delay), delay <= age_now, age_now, delay


def test_predictions_that_wait_do_not_pull_the_curve_down():
    ages, came, _, _ = deployed(1)
    curve = drawn(ages, came)
    for day in (1, 3, 7, 20):
        assert share_by(curve, day) == pytest.approx(0.8 * (1 - np.exp(-day / 3)), abs=0.03)
    assert curve.median_s == pytest.approx(3 * np.log(2), abs=0.2) and curve.p90_s == pytest.approx(3 * np.log(10), abs=0.6)
    assert curve.waiting == int((~came).sum()) and curve.rows == len(ages)


def test_a_window_is_as_mature_as_the_outcomes_that_it_will_have_are_there():
    errors = []
    for seed in range(20):
        ages, came, age_now, delay = deployed(seed)
        curve = drawn(ages, came)
        week = age_now < 7
        real = (delay[week] <= age_now[week]).sum() / np.isfinite(delay[week]).sum()
        errors.append(maturity_of(curve, age_now[week]) - real)
    assert abs(np.mean(errors)) < 0.02 and np.abs(errors).max() < 0.12
    assert maturity_of(curve, age_now[age_now > 45]) == pytest.approx(1.0, abs=0.01)


def test_what_is_too_young_to_tell_is_not_told():
    curve = drawn([0.5] * 40, [False] * 40)
    assert curve.share == () and isnan(curve.median_s) and isnan(maturity_of(curve, [0.5]))
    young = drawn(np.linspace(0, 2, 100), np.arange(100) % 2 == 0)
    assert isnan(maturity_of(young, [1.0], delay_s=30.0)) and maturity_of(young, [1.0], delay_s=1.0) > 0


def test_a_stored_curve_stays_small_and_opens_again():
    curve = drawn(np.random.default_rng(2).exponential(1e5, 20_000), np.ones(20_000, dtype=bool))
    assert len(curve.share) <= maturity.POINTS and curve.share[-1] == pytest.approx(1, abs=0.01)
    assert wire.load(wire.dump(curve), MaturityCurve) == curve
