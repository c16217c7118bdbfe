"""How often a check finds something where nothing changed, and the parts that see to it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, spearmanr

import noria as nr
from noria.checks.drawn import BARS, bars_of
from noria.checks.drifting import null_limit, persists
from noria.checks.marks import Answers, Asked, marks_of
from noria.checks.novelty import novelty_limit, unseen
from noria.checks.pairs import pairs_of
from noria.core.moments import from_ms
from noria.core.schema import Kind, Task
from noria.core.watching import Level, Reading
from noria.stages.monitoring.stability import debiased_psi


def world(dice, rows):
    numbers = {f"n{k}": dice.normal(size=rows) for k in range(6)} | {f"l{k}": dice.lognormal(size=rows) for k in range(3)}
    return pl.DataFrame(numbers | {f"t{k}": dice.choice(list("abcdefgh"), rows) for k in range(3)})


def test_twelve_quiet_columns_of_few_rows_are_seldom_found_to_differ():
    dice = np.random.default_rng(20)
    found = [bool(nr.check(world(dice, 300), world(dice, 300))) for _ in range(60)]
    assert sum(found) <= binom.ppf(0.999, len(found), 0.04)


def test_a_shift_of_half_a_deviation_is_found_in_five_hundred_rows():
    dice = np.random.default_rng(21)
    found = []
    for _ in range(20):
        now = world(dice, 500)
        report = nr.check(world(dice, 500), now.with_columns(pl.col("n0") + 0.5))
        found.append(any(one.subject == "n0" for one in report.findings))
    assert sum(found) >= binom.ppf(0.001, len(found), 0.9)


@pytest.mark.parametrize("rows", [250, 2_000])
def test_the_limit_of_chance_is_kept_by_rows_of_the_same_world(rows):
    dice = np.random.default_rng(rows)
    truth = dice.dirichlet(np.full(12, 2.0))
    beyond = []
    for _ in range(300):
        before = dice.multinomial(rows, truth)
        limit = null_limit(before, rows, level=0.99, draws=500)
        beyond.append(float(debiased_psi(before, dice.multinomial(rows, truth))) > limit)
    assert sum(beyond) <= binom.ppf(0.9999, len(beyond), 0.02)


def test_new_extremes_are_as_rare_as_their_limit_says():
    dice = np.random.default_rng(4)
    beyond = []
    for _ in range(2_000):
        before, now = dice.normal(size=400), dice.normal(size=400)
        share = np.mean((now < before.min()) | (now > before.max()))
        beyond.append(share > novelty_limit(2, 400, 400, level=0.99))
    assert sum(beyond) <= binom.ppf(0.9999, len(beyond), 0.01)


def test_answers_that_are_as_good_as_before_are_seldom_found_to_be_worse():
    dice, fell = np.random.default_rng(11), []
    what = Asked(task=Task.BINARY, label="y", scores=("p",), classes=("0", "1"))
    for _ in range(120):
        sides = []
        for _ in range(2):
            p = dice.beta(1, 2, 400)
            sides.append(Answers(y=(dice.random(400) < p).astype(float), score=p, blocks=None))
        fell.append(marks_of(what, *sides)[0].verdict == "found")
    assert sum(fell) <= binom.ppf(0.9999, len(fell), 0.01)


def test_texts_of_a_long_tail_are_seldom_found_to_be_unseen():
    dice, found = np.random.default_rng(12), []
    for _ in range(300):
        before, now = (pl.Series("t", [f"n{k}" for k in dice.zipf(1.4, 400)]) for _ in range(2))
        rows, once, _ = unseen(before, now)
        found.append(rows / 400 > novelty_limit(once + 1, 400, 400, level=0.99))
    assert sum(found) <= binom.ppf(0.9999, len(found), 0.01)


def test_correlations_are_spearmans_and_seldom_found_to_differ_by_chance():
    dice = np.random.default_rng(6)
    frames = []
    for _ in range(2):
        common = dice.normal(size=400)
        frames.append(pl.DataFrame({name: common + dice.normal(size=400) for name in "abcd"}))
    pairs = pairs_of(*frames, list("abcd"))
    ab = next(pair for pair in pairs if (pair.first, pair.second) == ("a", "b"))
    assert ab.before == pytest.approx(spearmanr(frames[0]["a"], frames[0]["b"]).statistic, abs=1e-9)
    assert len(pairs) == 6 and all(pair.verdict == "quiet" for pair in pairs)


def levels(text):
    names = {"x": Level.BREACH, ".": Level.OK, "?": Level.NOT_ENOUGH}
    return [
        Reading(loop="", monitor="drift", subject="s", time=from_ms(n), value=0.0, threshold=1.0, level=names[sign], rows=1)
        for n, sign in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ("", False),
        ("?", False),
        ("x", True),
        (".x", False),
        ("xx", True),
        ("x.x", True),
        ("x..x..x", False),
        ("..x.x?x..", True),
        ("xx...xx", False),
    ],
)
def test_three_of_five_chunks_in_a_row_persist_and_chunks_without_rows_do_not_count(series, said):
    assert persists(levels(series)) is said


@given(st.lists(st.floats(width=32), max_size=60), st.lists(st.floats(width=32), max_size=60), st.sampled_from([Kind.FLOAT, Kind.INT]))
def test_bars_hold_every_value_that_is_there(before, now, kind):
    sides = [pl.Series("x", values, dtype=pl.Float64).fill_nan(None) for values in (before, now)]
    finite = [side.filter(side.is_finite()) for side in sides]
    if kind is Kind.INT:
        finite = sides = [side.clip(-1e15, 1e15).cast(pl.Int64, strict=False).drop_nulls() for side in finite]
    bars = bars_of(*sides, kind)
    assert len(bars) <= BARS
    for side, share in zip(finite, ("before", "now"), strict=True):
        assert sum(getattr(bar, share) for bar in bars) == pytest.approx(1.0 if len(side) else 0.0, abs=1e-4)
