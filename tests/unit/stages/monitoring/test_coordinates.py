import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind
from noria.stages.monitoring import coordinates
from noria.stages.monitoring.coordinates import REACH, learn, points

FIELDS = [Field(name="a", kind=Kind.FLOAT), Field(name="city", kind=Kind.TEXT), Field(name="at", kind=Kind.TIME)]


def frame(a, city):
    return pl.DataFrame({"a": a, "city": city, "at": [0] * len(a)}, schema_overrides={"a": pl.Float64, "city": pl.String})


def test_numbers_become_standard_scores_and_clocks_are_left_out():
    rows = frame([1.0, 2.0, 3.0, 4.0], ["ulm"] * 4)
    known = learn(rows, FIELDS)
    assert [one.name for one in known] == ["a", "city"]
    assert points(rows, known)[:, 0] == pytest.approx((np.arange(4) - 1.5) / np.std(np.arange(4)))


def test_a_rarer_text_lies_farther_out_and_one_never_seen_farthest():
    rows = frame([0.0] * 100, ["ulm"] * 70 + ["bonn"] * 25 + ["rome"] * 5)
    known = learn(rows, FIELDS)
    ulm, bonn, rome, oslo = points(frame([0.0] * 4, ["ulm", "bonn", "rome", "oslo"]), known)[:, 1]
    assert ulm < bonn < rome < oslo
    assert known[1].surprises[known[1].texts.index("ulm")] == pytest.approx(-np.log(70.5 / 102))


def test_what_is_missing_lies_at_the_centre_and_freak_values_within_reach():
    known = learn(frame([1.0, 2.0, None, 3.0], ["ulm", None, "ulm", "bonn"]), FIELDS)
    told = points(frame([None, 1e12, float("nan")], [None, "ulm", None]), known)
    assert told[0].tolist() == [0.0, 0.0]
    assert told[1, 0] == REACH and told[2, 0] == 0.0


def test_a_column_that_is_gone_or_never_had_a_value_is_no_crash():
    known = learn(frame([None, None], [None, None]), FIELDS)
    assert np.isfinite(points(frame([1.0, 2.0], ["ulm", "bonn"]), known)).all()
    assert points(pl.DataFrame({"b": [1.0]}), known).shape == (1, 2)


def test_of_very_many_features_the_most_important_are_looked_at(monkeypatch):
    monkeypatch.setattr(coordinates, "MOST_FEATURES", 2)
    rows = pl.DataFrame({name: [1.0, 2.0] for name in "abcd"})
    fields = [Field(name=name, kind=Kind.FLOAT) for name in "abcd"]
    assert [one.name for one in learn(rows, fields, {"d": 0.9, "b": 0.1})] == ["b", "d"]
