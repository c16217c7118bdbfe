"""Gaps between two versions' answers, and means of numbers that come with feedback, may be looked at at any time."""

from __future__ import annotations

import numpy as np
import pytest

from noria.stages.evaluation.preference import by_gain, by_wins
from noria.stages.evaluation.sequential_answers import Arm, guard_distribution
from noria.stages.evaluation.sequential_units import Told, guard_unit_mean

LOOKS = range(300, 3_001, 150)


def arms(random, shift: float, *, rows: int = 3_000, per_key: int = 1) -> tuple[Arm, Arm]:
    """Answers of two versions to the same requests; the rows of a key are alike."""
    taste = np.repeat(random.normal(size=rows // per_key), per_key)
    keys = np.repeat(np.arange(rows // per_key), per_key)
    own = np.repeat(random.normal(size=rows // per_key), per_key)
    return Arm(answers=taste + 0.3 * own, units=keys), Arm(
        answers=taste + shift + 0.3 * np.repeat(random.normal(size=rows // per_key), per_key), units=keys
    )


def first(arm: Arm, n: int) -> Arm:
    return Arm(answers=arm.answers[:n], units=arm.units[:n])


@pytest.mark.parametrize(("paired", "per_key"), [(True, 1), (True, 10), (False, 1), (False, 10)])
def test_a_gap_within_the_margin_is_seldom_called_harm_however_often_one_looks(paired, per_key):
    false = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        one, other = arms(random, 0.45, per_key=per_key)
        if not paired:
            other = arms(random, 0.45, per_key=per_key)[1]
        looks = (guard_distribution(first(one, n), first(other, n), paired=paired, margin=0.2, alpha=0.05, min_n=100) for n in LOOKS)
        false += any(seen.verdict == "harm" for seen in looks)
    assert false <= 3


@pytest.mark.parametrize("paired", [True, False])
def test_a_gap_beyond_the_margin_is_called_harm_and_a_small_one_in_the_end_none(paired):
    random = np.random.default_rng(1)
    wide, narrow = arms(random, 1.2), arms(random, 0.05)
    how = {"paired": paired, "margin": 0.2, "alpha": 0.05, "min_n": 100}
    assert guard_distribution(*wide, **how).verdict == "harm"
    assert guard_distribution(*narrow, **how).verdict == "no-harm"
    assert guard_distribution(first(wide[0], 150), first(wide[1], 150), **how).verdict == "not-enough-data"


def test_of_many_classes_each_is_counted():
    random = np.random.default_rng(2)
    units = np.arange(1_000)
    usual, other = random.dirichlet([4, 4, 4], 1_000), random.dirichlet([20, 4, 4], 1_000)
    how = {"paired": False, "margin": 0.2, "alpha": 0.05, "min_n": 100}
    assert guard_distribution(Arm(answers=usual, units=units), Arm(answers=other, units=units), **how).verdict == "harm"
    assert guard_distribution(Arm(answers=usual, units=units), Arm(answers=usual[::-1], units=units), **how).verdict == "no-harm"


def orders(random, mean: float, *, users: int = 800) -> Told:
    """Revenue of users who differ: most orders are 0, some are large, some users order much and often."""
    rich = random.lognormal(0, 0.5, users)
    each = random.poisson(2 * rich) + 1
    keys = np.repeat(np.arange(users), each)
    bought = random.random(len(keys)) < 0.2
    return Told(values=mean * bought * np.repeat(rich, each) * random.lognormal(0, 0.7, len(keys)), units=keys)


def test_revenue_of_users_who_differ_is_seldom_said_to_fall_where_it_does_not():
    false = 0
    for seed in range(80):
        random = np.random.default_rng(seed)
        one, other = orders(random, 1.0), orders(random, 1.0)
        for users in range(150, 801, 50):
            cut = [Told(values=arm.values[arm.units < users], units=arm.units[arm.units < users]) for arm in (one, other)]
            seen = guard_unit_mean("business:revenue", *cut, margin=0.0, alpha=0.05, min_n=100, higher_is_worse=False)
            if seen.verdict == "harm":
                false += 1
                break
    assert false <= 4


def test_revenue_that_is_halved_is_harm_and_a_handful_of_rich_users_is_no_evidence():
    random = np.random.default_rng(5)
    how = {"margin": 0.05, "alpha": 0.05, "min_n": 100, "higher_is_worse": False}
    assert guard_unit_mean("business:revenue", orders(random, 1.0, users=6_000), orders(random, 0.5, users=6_000), **how).verdict == "harm"
    lonely = Told(values=np.r_[1e6, np.zeros(999)], units=np.arange(1_000))
    assert guard_unit_mean("business:revenue", lonely, orders(random, 1.0), **how).verdict == "not-enough-data"
    nothing = Told(values=np.zeros(5_000), units=np.arange(5_000))
    assert guard_unit_mean("business:revenue", nothing, nothing, **how).verdict == "no-harm"


def test_an_even_contest_is_seldom_won_however_often_one_looks():
    won = {"wins": 0, "gain": 0}
    for seed in range(100):
        random = np.random.default_rng(seed)
        one, other = random.poisson(0.4, (2, 3_000)).astype(float)
        for n in LOOKS:
            for name, compare in (("wins", by_wins), ("gain", by_gain)):
                seen = compare(one[:n], other[:n], margin=0.0, alpha=0.05, min_n=100)
                if seen.difference.high < 0 and seed not in (seen_before := won.setdefault(f"{name} seeds", set())):
                    seen_before.add(seed)
                    won[name] += 1
    assert won["wins"] <= 5
    assert won["gain"] <= 5


def test_queries_that_neither_won_are_told_and_left_out():
    reading = by_wins(
        np.array([1.0] * 300 + [0.0] * 700), np.array([0.0] * 300 + [1.0] * 200 + [0.0] * 500), margin=0.02, alpha=0.05, min_n=100
    )
    assert (reading.challenger_n, reading.verdict, reading.note) == (500, "harm", "200 queries won, 300 lost, 500 even")
    assert reading.difference.value == pytest.approx(0.2)
