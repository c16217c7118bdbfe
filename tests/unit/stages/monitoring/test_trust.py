import numpy as np
import polars as pl
import pytest

from noria.stages.monitoring.trust import Light, trust


def rows(seed, n=1_500, shift=0.0, scale=1.0, cities=("ulm", "bonn")):
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "a": random.normal(shift, scale, n),
            "b": np.where(random.random(n) < 0.1, np.nan, random.normal(0, 1, n)),
            "c": random.random(n) < 0.3,
            "city": random.choice(cities, n).tolist(),
        }
    )


def test_rows_of_the_same_world_are_known_territory():
    told = trust(rows(1), rows(2))
    assert told.light is Light.GREEN
    assert told.auc == pytest.approx(0.5, abs=0.05) and told.ess_share > 0.8


def test_the_further_away_the_darker_the_light():
    told = [trust(rows(1), rows(2, shift=shift)) for shift in (0.0, 1.0, 1.7, 6.0)]
    assert [one.light for one in told] == [Light.GREEN, Light.GREEN, Light.AMBER, Light.RED]
    assert [one.auc for one in told] == sorted(one.auc for one in told)


def test_a_wider_world_is_seen_although_its_mean_stays():
    assert trust(rows(1), rows(2, scale=4.0)).auc > 0.7


def test_only_new_cities_are_outside_known_territory():
    assert trust(rows(1), rows(2, cities=("rome",))).light is Light.RED


def test_a_feature_that_is_gone_is_outside_known_territory():
    assert trust(rows(1), rows(2).drop("a")).light is Light.RED


def test_no_rows_are_no_territory():
    assert trust(rows(1), rows(2).head(0)).light is Light.RED


def test_it_says_the_same_each_time():
    assert trust(rows(1), rows(2)) == trust(rows(1), rows(2))
