from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from noria.core.watching import Level, Reading
from noria.stages.monitoring import freshness
from noria.stages.monitoring.tuning import LIKELY_NOISE, Judged, fires, precision, propose, tuned

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def reading(value, *, limit=0.1, usual=0.0, day=0, level=None):
    effect = (value - usual) / (limit - usual) - 1
    breach = Level.BREACH if effect > 0 else Level.OK
    return Reading(loop="l", monitor="drift", subject="x", time=START + day * DAY, value=value, threshold=limit, level=level or breach, rows=900, effect=effect)  # fmt: skip


def alarm(peak, *, useful, days=4):
    return Judged(readings=tuple(reading(peak, day=day) for day in range(days)), useful=useful)


def test_precision_is_the_jeffreys_interval():
    found = precision(3, 9)
    assert (found.value, found.n) == (0.25, 12)
    assert (found.low, found.high) == pytest.approx(tuple(beta.interval(0.9, 3.5, 9.5)))
    assert precision(0, 3).low == 0 and precision(3, 0).high == 1 and np.isnan(precision(0, 0).value)


@given(st.floats(0.001, 5), st.floats(0.05, 1), st.floats(-2, 0), st.floats(1.01, 4))
def test_a_tuned_limit_lies_factor_times_as_far_from_what_is_usual(value, limit, usual, factor):
    one = reading(value, limit=limit, usual=usual)
    moved = tuned(one, factor)
    if abs(one.effect) > 1e-6:
        assert moved.threshold == pytest.approx(usual + factor * (limit - usual), rel=1e-4, abs=1e-6)
    assert moved.effect == pytest.approx((value - usual) / (factor * (limit - usual)) - 1)
    assert moved.level is (Level.BREACH if moved.effect > 0 else Level.OK)
    assert tuned(one, 1.0) is one


def test_a_limit_below_works_as_one_above_and_an_age_in_days_is_moved_as_days():
    fallen = reading(0.60, limit=0.67, usual=0.70)
    assert tuned(fallen, 2.0).threshold == pytest.approx(0.64) and tuned(fallen, 2.0).level is Level.BREACH
    assert tuned(fallen, 4.0).level is Level.OK
    old = freshness.age(START, loop="l", at=START + 90 * DAY, older_than=60 * DAY)
    assert tuned(old, 1.4).threshold == pytest.approx(84) and tuned(old, 1.6).level is Level.OK


def test_not_enough_data_stays_that():
    assert tuned(reading(0.5, level=Level.NOT_ENOUGH), 2.0).level is Level.NOT_ENOUGH


def test_the_nearest_limit_is_proposed_that_spares_noise_and_keeps_what_was_useful():
    judged = [
        alarm(0.15, useful=False),
        alarm(0.17, useful=False),
        alarm(0.12, useful=False),
        alarm(0.19, useful=False),
        alarm(0.5, useful=True),
    ]
    judged += [alarm(0.13, useful=False), alarm(0.14, useful=False)]
    found = propose(judged, k=3, m=5)
    assert found is not None and (found.spared, found.noise, found.useful) == (6, 6, 1)
    assert 1.9 <= found.factor <= 2.1
    assert all(fires(one.readings, found.factor, k=3, m=5) == one.useful for one in judged)


def test_nothing_is_proposed_while_it_may_be_right_as_often_as_wrong():
    assert propose([alarm(0.15, useful=False)] * 2, k=3, m=5) is None
    assert propose([alarm(0.15, useful=False)] * 3, k=3, m=5) is not None
    assert propose([alarm(0.15, useful=False)] * 4 + [alarm(0.5, useful=True)] * 3, k=3, m=5) is None


def test_where_useful_and_noisy_alerts_look_alike_no_limit_is_proposed():
    assert propose([alarm(0.5, useful=False)] * 9 + [alarm(0.2, useful=True)], k=3, m=5) is None
    assert propose([alarm(5.0, useful=False)] * 5, k=3, m=5) is None


@given(st.lists(st.tuples(st.floats(0.101, 0.9), st.booleans()), max_size=12))
def test_a_proposal_never_loses_what_was_useful(given_):
    judged = [alarm(peak, useful=useful) for peak, useful in given_]
    found = propose(judged, k=3, m=5)
    if found is not None:
        assert found.precision.high < LIKELY_NOISE and found.factor > 1
        assert all(fires(one.readings, found.factor, k=3, m=5) for one in judged if one.useful)


def test_a_monitor_that_is_right_as_often_as_wrong_is_seldom_proposed_to_be_tuned():
    """False proposals: useful half of the time, 10 judgements; the interval's upper end is below one half in ≤ 6 %."""
    random = np.random.default_rng(5)
    found = sum(precision(useful := int(random.binomial(10, 0.5)), 10 - useful).high < LIKELY_NOISE for _ in range(2_000))
    assert found / 2_000 < 0.08
    noisy = sum(precision(useful := int(random.binomial(10, 0.1)), 10 - useful).high < LIKELY_NOISE for _ in range(2_000))
    assert noisy / 2_000 > 0.9
