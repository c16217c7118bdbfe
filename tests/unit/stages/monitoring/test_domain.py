import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind
from noria.stages.monitoring.coordinates import learn
from noria.stages.monitoring.domain import FLOOR, chance_auc, design, of_matrix, separate

FIELDS = [*(Field(name=name, kind=Kind.FLOAT) for name in "abcdef"), Field(name="city", kind=Kind.TEXT)]


def rows(seed, n=1_000, *, rho=0.7, shift=0.0, cities=("ulm", "bonn", "rome"), gone=0.0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 6))
    X[:, 1] = rho * X[:, 0] + np.sqrt(1 - rho**2) * X[:, 1]
    X[:, 2] += shift
    X[random.random(n) < gone, 3] = np.nan
    return pl.DataFrame({name: X[:, place] for place, name in enumerate("abcdef")} | {"city": random.choice(cities, n)})


def told(old, new):
    known = learn(old, FIELDS)
    return separate(design(old, known), design(new, known))


def test_two_draws_of_one_world_cannot_be_told_apart():
    """False alarms: at most one of 60 equal groups goes beyond chance (measured: 1 of 600), and none beyond both limits."""
    found = [told(rows(seed), rows(1_000 + seed, n=300)) for seed in range(60)]
    assert np.mean([one.auc for one in found]) == pytest.approx(0.5, abs=0.01)
    assert sum(one.auc > one.chance for one in found) <= 1


def test_a_changed_relation_is_seen_although_no_feature_moved_and_it_is_named():
    """Power for a correlation of 0.7 that falls to 0.4, 1,000 rows against 1,000: measured 100 of 100."""
    found = [told(rows(seed), rows(1_000 + seed, rho=0.4)) for seed in range(20)]
    assert sum(one.auc > max(one.chance, FLOOR) for one in found) >= 16
    assert all(one.culprits[0].features == ("a", "b") for one in found)
    assert str(found[0].culprits[0]) == "a with b"


@pytest.mark.parametrize(
    ("moved", "feature"),
    [({"shift": 1.0}, "c"), ({"gone": 0.4}, "d"), ({"cities": ("ulm", "oslo")}, "city")],
)
def test_what_moved_is_named(moved, feature):
    seen = told(rows(1), rows(2, **moved))
    assert seen.auc > seen.chance
    assert seen.culprits[0].features == (feature,) and seen.culprits[0].share > 0.7


def test_shares_of_the_culprits_are_shares():
    seen = told(rows(1), rows(2, rho=0.0, shift=0.5))
    assert sum(one.share for one in seen.culprits) == pytest.approx(1.0)
    assert {one.features for one in seen.culprits[:2]} == {("a", "b"), ("c",)}


def test_chance_is_that_of_the_rank_sum_with_room_for_cross_fitting():
    assert chance_auc(1_000, 1_000) == pytest.approx(0.5 + 3 * 1.4 * np.sqrt(2_001 / 12e6))
    assert chance_auc(0, 10) == 1.0


def test_too_few_rows_and_constant_columns_are_no_crash():
    few = separate(of_matrix(np.zeros((3, 2))), of_matrix(np.zeros((100, 2))))
    assert np.isnan(few.auc) and few.culprits == ()
    assert separate(of_matrix(np.ones((50, 2))), of_matrix(np.ones((50, 2)))).auc == 0.5


def test_it_says_the_same_each_time():
    assert told(rows(1), rows(2)) == told(rows(1), rows(2))
