"""Each finder names what was really done to the data, and is silent about what was not."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind
from noria.stages.monitoring import reference
from noria.stages.monitoring.causes import (
    UNITS,
    likely,
    new_value,
    slice_of_drift,
    slice_of_fall,
    slice_of_missing,
    unit,
)

ROWS = 4_000
CARRIERS, ORIGINS = ["AA", "UA", "WN"], ["EWR", "JFK", "LGA"]
FIELDS = [
    Field(name="carrier", kind=Kind.TEXT, categories=tuple(CARRIERS)),
    Field(name="origin", kind=Kind.TEXT, categories=tuple(ORIGINS)),
    Field(name="temp", kind=Kind.FLOAT),
    Field(name="distance", kind=Kind.FLOAT),
]


def rows(n, seed):
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "carrier": random.choice(CARRIERS, n, p=[0.5, 0.3, 0.2]),
            "origin": random.choice(ORIGINS, n),
            "temp": random.normal(12, 6, n),
            "distance": random.gamma(4, 250, n) + 80,
        }
    )


PAST = rows(ROWS, 1)
TIMES = np.datetime64("2013-01-01", "ms") + (np.arange(ROWS) * (60 * 86_400_000 // ROWS)).astype("timedelta64[ms]")
BUILT = reference.build(PAST.with_columns(pl.Series("__time", TIMES)), FIELDS, importance={}, scores=None, score_times=None, quality={})
FEATURES = {one.name: one for one in BUILT.features}
LIMIT = 0.1


def test_a_value_that_training_never_saw_is_named_with_its_share_and_beginning():
    now = rows(1_000, 2)
    new = now["carrier"].to_list()
    new[:120] = ["XX"] * 120
    found = new_value(FEATURES["carrier"], pl.Series(new), CARRIERS, LIMIT, since=lambda value: datetime(2013, 6, 4, tzinfo=UTC))
    assert found is not None and found.text == "`carrier` has a new value 'XX' in 12% of rows since 4 June" and found.explains > 0.5
    assert new_value(FEATURES["carrier"], now["carrier"], CARRIERS, LIMIT, since=lambda value: None) is None
    new[:120] = ["XX"] * 60 + ["YY"] * 30 + ["ZZ"] * 30
    many = new_value(FEATURES["carrier"], pl.Series(new), CARRIERS, LIMIT, since=lambda value: None)
    assert many is not None and "'XX' and 2 more in 12% of rows" in many.text


def test_where_the_known_values_moved_too_a_new_value_is_told_beside():
    new = pl.Series(["XX"] * 100 + ["WN"] * 800 + ["AA"] * 100)
    found = new_value(FEATURES["carrier"], new, CARRIERS, LIMIT, since=lambda value: None)
    assert found is not None and found.explains < 0.5


@pytest.mark.parametrize(("feature", "name"), [("temp", "°F instead of °C"), ("temp", "K instead of °C"), ("distance", "kilometres instead of miles"), ("distance", "thousands instead of ones"), ("temp", "the opposite sign")])  # fmt: skip
def test_a_change_of_unit_is_told(feature, name):
    factor, shift = UNITS[name]
    found = unit(FEATURES[feature], rows(1_000, 3)[feature] * factor + shift, LIMIT)
    assert found is not None and name in found.text


def test_a_season_is_no_change_of_unit():
    for shift in (4.0, 8.0, 15.0):
        assert unit(FEATURES["temp"], rows(1_000, 4)["temp"] * 0.9 + shift, LIMIT) is None
    assert unit(FEATURES["carrier"], rows(1_000, 4)["carrier"], LIMIT) is None
    assert unit(FEATURES["temp"], pl.Series([None] * 100, dtype=pl.Float64), LIMIT) is None


def test_drift_in_one_slice_is_traced_to_it():
    now = rows(1_500, 5).with_columns(temp=pl.when(pl.col("origin") == "EWR").then(pl.col("temp") + 15).otherwise(pl.col("temp")))
    found = slice_of_drift(FEATURES["temp"], "temp", now, PAST, ["carrier", "origin"], LIMIT)
    assert found is not None and found.text.startswith("only in slice origin=EWR (35% of rows)")


def test_drift_everywhere_and_a_slice_that_merely_grew_are_blamed_on_no_slice():
    everywhere = rows(1_500, 6).with_columns(temp=pl.col("temp") + 15)
    assert slice_of_drift(FEATURES["temp"], "temp", everywhere, PAST, ["carrier", "origin"], LIMIT) is None
    random = np.random.default_rng(7)
    past = PAST.with_columns(temp=pl.when(pl.col("origin") == "EWR").then(pl.col("temp") + 15).otherwise(pl.col("temp")))
    grown = rows(1_500, 8).with_columns(origin=pl.Series(random.choice(ORIGINS, 1_500, p=[0.8, 0.1, 0.1])))
    grown = grown.with_columns(temp=pl.when(pl.col("origin") == "EWR").then(pl.col("temp") + 15).otherwise(pl.col("temp")))
    assert slice_of_drift(FEATURES["temp"], "temp", grown, past, ["origin"], LIMIT) is None


def test_slices_are_seldom_blamed_for_what_is_everywhere():
    """False causes: 60 worlds that drift everywhere by 0.6 standard deviations, six slices each."""
    blamed = 0
    for seed in range(60):
        now = rows(900, 100 + seed).with_columns(temp=pl.col("temp") + 3.6)
        blamed += slice_of_drift(FEATURES["temp"], "temp", now, PAST, ["carrier", "origin"], LIMIT) is not None
    assert blamed <= 3


def test_values_that_are_missing_in_one_slice_alone_are_traced_to_it():
    now = rows(1_000, 9).with_columns(temp=pl.when(pl.col("origin") == "LGA").then(None).otherwise(pl.col("temp")))
    found = slice_of_missing("temp", now, ["carrier", "origin"], 0.02)
    assert found is not None and "only in slice origin=LGA" in found.text and "100% there, 0% elsewhere" in found.text
    spread = rows(1_000, 10).with_columns(temp=pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("temp")))
    assert slice_of_missing("temp", spread, ["carrier", "origin"], 0.02) is None


def test_a_fall_in_one_slice_is_traced_to_it_and_one_everywhere_to_none():
    random = np.random.default_rng(11)
    base = rows(2_000, 12).with_columns(hit=pl.Series(random.random(2_000) < 0.9))
    broken = base.with_columns(hit=pl.when(pl.col("origin") == "JFK").then(pl.Series(random.random(2_000) < 0.6)).otherwise(pl.col("hit")))

    def accuracy(some):
        return float(some["hit"].mean())

    found = slice_of_fall("accuracy", broken, ["carrier", "origin"], 0.87, accuracy, higher_is_better=True)
    assert found is not None and found.text.startswith("only in slice origin=JFK")
    low = base.with_columns(hit=pl.Series(random.random(2_000) < 0.7))
    assert slice_of_fall("accuracy", low, ["carrier", "origin"], 0.87, accuracy, higher_is_better=True) is None


def test_what_tells_most_comes_first_and_nothing_twice():
    now = rows(1_000, 3)["temp"] * 1.8 + 32
    strong = unit(FEATURES["temp"], now, LIMIT)
    weak = new_value(FEATURES["carrier"], pl.Series(["XX"] * 100 + ["WN"] * 900), CARRIERS, LIMIT, since=lambda value: None)
    assert likely([weak, None, strong, strong]) == (strong, weak)
