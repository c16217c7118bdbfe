"""Histories are thinned evenly, whatever steps a run logged."""

import math
from itertools import pairwise

import pytest

from noria.adapters.sqlite import Sqlite
from noria.core.tracking import Point
from noria.ledger.tracking import experiments, points, runs


@pytest.fixture
def logged(tmp_path):
    """Logs values at steps to a new run, and gives a reader of it."""
    sql = Sqlite(tmp_path / "noria.db")
    experiments.ensure_default(sql, "default", now_ms=1)

    def log(steps):
        def work(tx):
            row = runs.open_row(tx, "default", runs.create(tx, "default", 0, start_ms=1))
            points.log(tx, row, [Point("m", math.nan if n == 3 else float(n), step, n) for n, step in enumerate(steps)])
            return row

        row = sql.write(work)
        return lambda **how: [p.step for p in points.thinned(sql, [row], "m", **{"first": None, "last": None} | how)[row]]

    yield log
    sql.close()


@pytest.mark.parametrize("steps", [range(1_000), range(0, 10_000, 10), range(-500, 500), [n * n for n in range(1_000)], range(999, -1, -1)])
def test_as_many_steps_are_shown_as_were_asked_for_with_both_ends(logged, steps):
    shown = logged(steps)(most=100)
    assert len(shown) == 100 and shown == sorted(set(shown)) and set(shown) <= set(steps)
    assert (shown[0], shown[-1]) == (min(steps), max(steps))
    places = [sorted(steps).index(step) for step in shown]
    assert {b - a for a, b in pairwise(places)} <= {10, 11}


def test_steps_that_look_regular_and_are_not_are_thinned_too(logged):
    shown = logged([0] * 500 + [*range(499, 1_000)])(most=100)
    assert shown[0] == 0 and shown[-1] == 999 and len(set(shown)) == 100


def test_few_points_are_all_shown_and_others_not_beyond_bounds(logged):
    read = logged(range(50))
    assert read(most=100) == list(range(50)) == read(most=50)
    assert read(most=100, first=10, last=19) == list(range(10, 20)) and read(most=100, first=60) == []
    assert read(most=1) == [0]
    assert read(most=3, first=10, last=40) == [10, 25, 40]
