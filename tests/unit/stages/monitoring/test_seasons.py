"""A world with weekdays: what is usual on a Sunday is none on a Monday, and the other way round."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind
from noria.core.watching import Level
from noria.stages.monitoring import drift, reference
from noria.stages.monitoring.counting import count_chunk
from noria.stages.monitoring.reading import Look
from noria.stages.monitoring.seasons import expected_counts, phases_of

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
ROWS, WEEKS = 300, 10


def day_of(rng, moment, *, like=None):
    weekday = (moment if like is None else like).weekday()
    return rng.normal(3.0 if weekday >= 5 else 0.0, 1.0, ROWS) + rng.normal(0, 0.15)


def history(seed):
    rng = np.random.default_rng(seed)
    days = [START + k * DAY for k in range(7 * WEEKS)]
    values = np.concatenate([day_of(rng, day) for day in days])
    times = np.repeat(np.array([day.replace(tzinfo=None) for day in days], dtype="datetime64[ms]"), ROWS)
    return pl.DataFrame({"__time": times + np.tile(np.arange(ROWS) * 288_000, len(days)).astype("timedelta64[ms]"), "orders": values})


def built(seed, season):
    fields = [Field(name="orders", kind=Kind.FLOAT)]
    return reference.build(history(seed), fields, importance={}, scores=None, score_times=None, quality={}, chunk=DAY, season=season)


def read(compared, values, start):
    counts = count_chunk(compared, pl.DataFrame({"orders": values}))
    return drift.readings(compared, counts, Look(loop="l", at=start + DAY, start=start))[0]


@pytest.fixture(scope="module")
def weekly():
    return built(1, WEEK)


def test_a_sunday_on_a_wednesday_is_a_change_that_only_a_season_shows(weekly):
    wednesday, sunday = START + 100 * WEEK + 2 * DAY, START + 100 * WEEK + 6 * DAY
    rng = np.random.default_rng(2)
    plain = built(1, None)
    odd = day_of(rng, wednesday, like=sunday)
    found = read(weekly, odd, wednesday)
    assert found.level is Level.BREACH and found.note.endswith("at this point of the season")
    assert read(plain, odd, wednesday).level is Level.OK
    assert read(weekly, odd, sunday).level is Level.OK


def test_quiet_weeks_breach_as_rarely_with_a_season_as_they_should(weekly):
    breaches = 0
    for seed in range(40):
        rng = np.random.default_rng(100 + seed)
        for k in range(7):
            start = START + 100 * WEEK + k * DAY
            breaches += read(weekly, day_of(rng, start), start).level is Level.BREACH
    assert breaches <= 6


def test_a_chunk_that_begins_at_noon_is_held_against_both_of_its_days(weekly):
    friday_noon = START + 4 * DAY + timedelta(hours=12)
    phases = phases_of(weekly, friday_noon, friday_noon + DAY)
    assert sorted(phases.values()) == pytest.approx([0.5, 0.5])
    counts, seasonal = expected_counts(weekly.features[0], phases)
    assert seasonal and len(counts) == len(weekly.features[0].counts)
    half = np.concatenate([np.random.default_rng(3).normal(0, 1, ROWS // 2), np.random.default_rng(4).normal(3, 1, ROWS // 2)])
    assert read(weekly, half, friday_noon).level is Level.OK


def test_a_feast_day_in_the_reference_does_not_widen_the_limits():
    calm = built(5, WEEK).features[0].seasonal
    frame = history(5)
    feast = frame.with_columns(
        orders=pl.when(pl.col("__time").dt.date() == datetime(2024, 2, 7).date()).then(9.0).otherwise(pl.col("orders"))
    )
    fields = [Field(name="orders", kind=Kind.FLOAT)]
    with_feast = reference.build(feast, fields, importance={}, scores=None, score_times=None, quality={}, chunk=DAY, season=WEEK)
    assert calm is not None and with_feast.features[0].seasonal is not None
    assert with_feast.features[0].seasonal.limits["psi"] < 2 * calm.limits["psi"]


def test_with_too_few_weeks_the_whole_reference_is_compared_with():
    short = reference.build(
        history(6).head(3 * 7 * ROWS),
        [Field(name="orders", kind=Kind.FLOAT)],
        importance={},
        scores=None,
        score_times=None,
        quality={},
        season=WEEK,
    )
    assert short.features[0].seasonal is None and short.season == "7d"
    counts, seasonal = expected_counts(short.features[0], phases_of(short, START, START + DAY))
    assert not seasonal and counts.tolist() == list(short.features[0].counts)


def test_without_a_season_there_are_no_phases(weekly):
    assert phases_of(built(1, None), START, START + DAY) == {} == phases_of(weekly, None, START)
