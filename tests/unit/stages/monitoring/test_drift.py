from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind
from noria.core.watching import DriftReference, Level
from noria.ports import wire
from noria.stages.monitoring import drift, reference
from noria.stages.monitoring.describing import independent

AT = datetime(2013, 4, 2, tzinfo=UTC)
FIELDS = (Field(name="temp", kind=Kind.FLOAT), Field(name="carrier", kind=Kind.TEXT), Field(name="seen_at", kind=Kind.TIME))


def rows(n, *, days=1, seed=0, shift=0.0, carriers="AABC"):
    rng = np.random.default_rng(seed)
    times = np.datetime64("2013-01-01", "ms") + np.sort(rng.integers(0, days * 86_400_000, n)).astype("timedelta64[ms]")
    return pl.DataFrame({"__time": times, "temp": rng.normal(shift, 1, n), "carrier": rng.choice(list(carriers), n), "seen_at": times})


def made(frame, **options):
    facts = {"importance": {"temp": 0.7}, "scores": None, "score_times": None, "quality": {"roc_auc": 0.75}}
    return reference.build(frame, FIELDS, **{**facts, **options})


def read(compared, frame, **options):
    found = drift.measure(compared, frame, loop="l", at=AT, **options)
    return {(reading.monitor, reading.subject): reading for reading in found}


@pytest.fixture(scope="module")
def compared():
    return made(rows(30_000, days=60))


def test_a_reference_keeps_bins_limits_and_importance_and_survives_the_wire(compared):
    temp, carrier = compared.features
    assert (temp.name, temp.chunks, temp.importance) == ("temp", 60, 0.7)
    assert carrier.categories == ("A", "B", "C") and sum(carrier.counts) == 30_000
    assert compared.chunk == "1d" and compared.quality == {"roc_auc": 0.75}
    assert wire.load(wire.dump(compared), DriftReference) == compared


def test_a_feature_of_kind_time_is_left_out_since_a_clock_always_drifts(compared):
    assert [feature.name for feature in compared.features] == ["temp", "carrier"]


def test_the_same_world_is_ok(compared):
    found = read(compared, rows(900, seed=1))
    assert {reading.level for reading in found.values()} == {Level.OK}
    assert all(reading.effect < 0 for reading in found.values())


def test_a_new_world_breaches_and_says_where_the_rows_went(compared):
    found = read(compared, rows(900, seed=1, shift=1.5, carriers="AAAZ"))
    temp, carrier = found["drift", "temp"], found["drift", "carrier"]
    assert temp.level is Level.BREACH and temp.effect == pytest.approx(temp.value / temp.threshold - 1)
    assert "of rows at" in temp.note and "in the reference" in temp.note
    assert carrier.level is Level.BREACH
    assert "another value" in carrier.note or "'A'" in carrier.note or "'B'" in carrier.note


def test_few_rows_are_not_enough_data(compared):
    found = read(compared, rows(249, seed=1, shift=5))
    assert {reading.level for reading in found.values()} == {Level.NOT_ENOUGH}
    assert {reading.level for reading in read(compared, pl.DataFrame()).values()} == {Level.NOT_ENOUGH}
    assert read(compared, rows(0))["drift", "temp"].note == "0 rows; 250 are needed"


def test_a_column_that_is_not_there_is_all_missing(compared):
    found = read(compared, rows(900, seed=1).drop("temp"))
    missing = found["missing", "temp"]
    assert (missing.level, missing.value) == (Level.BREACH, 1.0)
    assert missing.note == "100% missing, 0% in the reference"
    assert found["missing", "carrier"].level is Level.OK
    assert found["drift", "temp"].note == "100% of rows are missing, 0% in the reference"


def test_missing_values_that_are_usual_are_no_alert():
    gaps = rows(30_000, days=60).with_columns(temp=pl.when(pl.int_range(30_000) % 5 > 0).then(pl.col("temp")))
    compared = made(gaps)
    assert read(compared, gaps.head(900))["missing", "temp"].level is Level.OK
    more = gaps.head(900).with_columns(temp=pl.when(pl.int_range(900) % 3 > 0).then(pl.col("temp")))
    assert read(compared, more)["missing", "temp"].level is Level.BREACH


def test_the_models_answers_are_watched_too():
    rng = np.random.default_rng(4)
    frame = rows(20_000, days=40)
    compared = made(frame, scores=rng.beta(2, 5, 5_000), score_times=frame["__time"].to_numpy()[-5_000:])
    same, other = rng.beta(2, 5, 900), rng.beta(5, 2, 900)
    place = ("prediction-drift", "prediction")
    assert compared.score is not None and compared.score.chunks >= 10
    assert read(compared, rows(900), scores=same)[place].level is Level.OK
    assert read(compared, rows(900), scores=other)[place].level is Level.BREACH
    assert place not in read(compared, rows(900))


def test_answers_with_several_classes_are_watched_by_the_likeliest_one():
    rng = np.random.default_rng(5)
    compared = made(rows(5_000, days=20), scores=rng.dirichlet((1, 1, 1), 5_000), score_times=None)
    assert compared.score is not None and compared.score.categories == ("0", "1", "2") and compared.score.chunks == 0
    place = ("prediction-drift", "prediction")
    assert read(compared, rows(900), scores=rng.dirichlet((1, 1, 1), 900))[place].level is Level.OK
    assert read(compared, rows(900), scores=rng.dirichlet((9, 1, 1), 900))[place].level is Level.BREACH


def test_with_few_chunks_chance_alone_sets_the_limit():
    compared = made(rows(5_000, days=5))
    assert {feature.chunks for feature in compared.features} == {0}
    assert read(compared, rows(900, seed=2))["drift", "temp"].level is Level.OK


def test_a_reference_of_few_rows_is_built_without_complaint():
    for n in (0, 1, 2):
        assert made(rows(n)).rows == n


def test_chunks_that_resemble_their_neighbours_are_worth_fewer_independent_ones():
    rng = np.random.default_rng(6)
    alone = np.array([rng.multinomial(500, rng.dirichlet((5, 5, 5))) for _ in range(90)])
    assert independent(alone) > 60
    assert independent(np.repeat(alone[:9], 10, axis=0)) < 20


def test_a_day_in_july_is_no_warm_day_of_january():
    rng = np.random.default_rng(7)
    days = np.repeat(rng.normal(0, 1, 90), 300)
    frame = pl.DataFrame(
        {
            "__time": np.datetime64("2013-01-01", "ms") + (np.arange(27_000) * 288_000).astype("timedelta64[ms]"),
            "temp": days + rng.normal(0, 0.4, 27_000),
        }
    )
    compared = reference.build(frame, FIELDS[:1], importance={}, scores=None, score_times=None, quality={}, chunk=timedelta(days=1))
    july = pl.DataFrame({"temp": 5 + rng.normal(0, 0.4, 900)})
    warm = pl.DataFrame({"temp": 1.6 + rng.normal(0, 0.4, 900)})
    assert read(compared, july)["drift", "temp"].level is Level.BREACH
    assert read(compared, warm)["drift", "temp"].level is Level.OK
