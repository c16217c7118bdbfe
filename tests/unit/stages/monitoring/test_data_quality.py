from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind
from noria.core.watching import Level
from noria.stages.monitoring import data_quality, drift, reference
from noria.stages.monitoring.counting import count, count_chunk, with_answers
from noria.stages.monitoring.reading import Look

AT = datetime(2013, 4, 2, tzinfo=UTC)
FIELDS = (
    Field(name="temp", kind=Kind.FLOAT),
    Field(name="hour", kind=Kind.INT),
    Field(name="carrier", kind=Kind.TEXT),
    Field(name="member", kind=Kind.BOOL),
)


def rows(n, *, days=1, seed=0):
    rng = np.random.default_rng(seed)
    times = np.datetime64("2013-01-01", "ms") + np.sort(rng.integers(0, days * 86_400_000, n)).astype("timedelta64[ms]")
    return pl.DataFrame(
        {
            "__time": times,
            "temp": rng.normal(size=n),
            "hour": rng.integers(0, 24, n),
            "carrier": rng.choice(list("AAAABBC"), n),
            "member": rng.random(n) < 0.3,
        }
    )


def made(frame, **options):
    facts = {"importance": {}, "scores": None, "score_times": None, "quality": {}}
    return reference.build(frame, FIELDS, **{**facts, **options})


@pytest.fixture(scope="module", params=[60, 5], ids=["calibrated", "by chance alone"])
def compared(request):
    return made(rows(30_000, days=request.param))


def read(compared, frame, **options):
    found = data_quality.readings(compared, count_chunk(compared, frame), Look(loop="l", at=AT), **options)
    return {(reading.monitor, reading.subject): reading for reading in found}


def breached(found):
    return {place for place, reading in found.items() if reading.level is Level.BREACH}


def test_the_same_world_is_ok_and_each_feature_has_the_monitors_that_fit_it(compared):
    found = read(compared, rows(900, seed=1))
    assert not breached(found) and all(reading.level is Level.OK for reading in found.values())
    names = {
        name: {monitor for monitor, subject in found if subject == name} for name in compared.features and ("temp", "carrier", "member")
    }
    assert names["temp"] == {"missing", "type", "range", "cardinality"}
    assert names["carrier"] == {"missing", "type", "unseen", "cardinality"}
    assert names["member"] == {"missing", "type", "range"}


def test_values_of_another_kind_are_told_with_what_they_should_be(compared):
    words = rows(900, seed=1).with_columns(
        temp=pl.when(pl.int_range(900) < 20).then(pl.lit("warm")).otherwise(pl.col("temp").cast(pl.String))
    )
    found = read(compared, words)
    assert breached(found) == {("type", "temp"), ("missing", "temp")}
    assert found["type", "temp"].note == "2.2% of values are no float"
    halves = rows(900, seed=1).with_columns(hour=pl.col("hour") + 0.5)
    assert ("type", "hour") in breached(read(compared, halves))


def test_numbers_outside_the_range_are_told_with_the_range(compared):
    far = rows(900, seed=1).with_columns(temp=pl.when(pl.int_range(900) < 30).then(40.0).otherwise(pl.col("temp")))
    found = read(compared, far)
    assert ("range", "temp") in breached(found) and "outside -" in found["range", "temp"].note
    near = rows(900, seed=1).with_columns(hour=pl.when(pl.int_range(900) < 30).then(24).otherwise(pl.col("hour")))
    assert not breached(read(compared, near)) & {("range", "hour")}


def test_unseen_values_are_told(compared):
    strange = rows(900, seed=1).with_columns(carrier=pl.when(pl.int_range(900) < 30).then(pl.lit("Z9")).otherwise(pl.col("carrier")))
    found = read(compared, strange)
    assert breached(found) == {("unseen", "carrier")}
    assert found["unseen", "carrier"].value == pytest.approx(30 / 900)


def test_fewer_or_more_different_values_than_ever_are_told(compared):
    stuck = rows(900, seed=1).with_columns(temp=pl.lit(0.25))
    found = read(compared, stuck)
    assert ("cardinality", "temp") in breached(found)
    assert found["cardinality", "temp"].numbers["different"] == 1.0
    more = rows(900, seed=1).with_columns(hour=pl.int_range(900))
    assert ("cardinality", "hour") in breached(read(compared, more))


def test_more_rows_than_a_usual_day_are_no_change_in_cardinality(compared):
    for n in (300, 3_000, 9_000):
        assert not breached(read(compared, rows(n, seed=2)))


def test_few_rows_are_not_enough_data_and_only_what_was_asked_for_is_read(compared):
    found = read(compared, rows(40).with_columns(temp=pl.lit(99.0)), monitors=("range",))
    assert {monitor for monitor, _ in found} == {"range"}
    assert {reading.level for reading in found.values()} == {Level.NOT_ENOUGH}


def test_what_is_usual_in_the_reference_is_no_alert():
    rng = np.random.default_rng(3)
    frame = rows(30_000, days=60).with_columns(carrier=pl.Series([f"id{n}" for n in rng.integers(0, 20_000, 30_000)]))
    compared = made(frame)
    fresh = rows(500, seed=4).with_columns(carrier=pl.Series([f"id{n}" for n in rng.integers(0, 20_000, 500)]))
    assert not breached(read(compared, fresh))


def test_answers_and_outcomes_are_looked_at_too():
    rng = np.random.default_rng(5)
    frame = rows(20_000, days=40)
    happened = pl.Series(rng.integers(0, 2, 20_000))
    compared = made(
        frame,
        scores=rng.beta(2, 5, 5_000),
        score_times=frame["__time"].to_numpy()[-5_000:],
        outcomes=happened,
        outcome_times=frame["__time"].to_numpy(),
    )
    assert compared.score is not None and compared.outcome is not None and compared.outcome.kind == Kind.INT
    counts = with_answers(
        count_chunk(compared, rows(500)),
        score=count(compared.score, pl.Series([float("nan")] * 50 + [0.3] * 450)),
        outcome=count(compared.outcome, pl.Series([1.0] * 480 + [2.0] * 20)),
    )
    found = {(one.monitor, one.subject): one for one in data_quality.readings(compared, counts, Look(loop="l", at=AT))}
    assert breached(found) >= {("missing", "prediction"), ("cardinality", "prediction"), ("range", "outcome")}
    assert ("missing", "outcome") not in found
    read = {one.monitor: one for one in drift.readings(compared, counts, Look(loop="l", at=AT)) if one.subject == "outcome"}
    assert read["outcome-drift"].level is Level.BREACH


def test_a_new_champion_warms_up_before_there_is_a_verdict(compared):
    look = Look(loop="l", at=AT, warm_until=AT.replace(day=3))
    found = data_quality.readings(compared, count_chunk(compared, rows(900).with_columns(temp=pl.lit(99.0))), look)
    assert {reading.level for reading in found} == {Level.NOT_ENOUGH}
    assert found[0].note == "a new champion: no verdict before 3 Apr 00:00"
