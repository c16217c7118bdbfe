"""Partitions keep models of their own only where that is shown: the rule's errors, counted in worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from noria.stages.evaluation.membership import Rivals, chance, joined, shown_better

DAY = np.timedelta64(1, "D")


def rivals(random: np.random.Generator, gain: float, *, rows: int = 300, days: int = 30, common: float = 0.0) -> Rivals:
    """Losses of a parent and of a member that spares `gain` in the mean; `common` moves all rows of a day together."""
    day = np.sort(random.integers(0, days, rows))
    parent = random.exponential(1.0, rows)
    noise = random.normal(0.0, 0.5, rows) + common * random.normal(0.0, 1.0, days)[day]
    return Rivals(member=parent - gain + noise, parent=parent, times=np.datetime64("2024-01-01", "ms") + day * DAY)


def test_where_no_member_is_better_hardly_any_is_kept() -> None:
    random = np.random.default_rng(1)
    worlds = [{f"p{k}": rivals(random, 0.0) for k in range(20)} for _ in range(150)]
    wrong = sum(bool(shown_better(world, fdr=0.1)) for world in worlds)
    assert wrong <= 25  # 15 expected at most, of 150


def test_days_that_move_all_rows_of_theirs_fool_nobody() -> None:
    random = np.random.default_rng(2)
    worlds = [{f"p{k}": rivals(random, 0.0, common=0.4) for k in range(20)} for _ in range(100)]
    assert sum(bool(shown_better(world, fdr=0.1)) for world in worlds) <= 20


def test_of_many_partitions_those_that_differ_are_kept_and_few_others() -> None:
    random = np.random.default_rng(3)
    right = wrong = 0
    for _ in range(30):
        world = {f"p{k}": rivals(random, 0.15 if k < 10 else -0.02) for k in range(50)}
        kept = shown_better(world, fdr=0.1)
        right += sum(int(name[1:]) < 10 for name in kept)
        wrong += sum(int(name[1:]) >= 10 for name in kept)
    assert right >= 0.9 * 300
    assert wrong <= 0.1 * (right + wrong)


def test_a_gain_below_what_is_asked_for_is_not_enough() -> None:
    random = np.random.default_rng(4)
    world = {"a": rivals(random, 0.2), "b": rivals(random, 0.6)}
    assert shown_better(world) == ("a", "b")
    assert shown_better(world, keep=0.4) == ("b",)


@pytest.mark.parametrize(
    ("member", "parent", "expected"),
    [
        ([], [], 1.0),
        ([0.5], [1.0], 1.0),
        ([0.5, 0.5], [1.0, 1.0], 0.0),
        ([1.0, 1.0], [1.0, 1.0], 1.0),
        ([np.inf, 0.0], [1.0, 1.0], 1.0),
    ],
)
def test_where_there_is_little_to_tell_by_nothing_is_made_up(member: list[float], parent: list[float], expected: float) -> None:
    times = np.full(len(member), np.datetime64("2024-01-01", "ms"))
    assert chance(Rivals(member=np.array(member), parent=np.array(parent), times=times)) == expected


def test_nothing_is_shown_of_no_partitions() -> None:
    assert shown_better({}) == ()


def test_windows_are_joined() -> None:
    random = np.random.default_rng(5)
    one, other = rivals(random, 0.1), rivals(random, 0.1, rows=50)
    assert len(joined([one, other]).member) == len(joined([one, other]).times) == 350
