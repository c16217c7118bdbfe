import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.schema import Kind
from noria.core.watching import FeatureReference
from noria.stages.monitoring.chunks import Chunks
from noria.stages.monitoring.counting import ChunkCounts, coarse, count, edge_counts, nothing, total, with_answers
from noria.stages.monitoring.describing import describe
from noria.stages.monitoring.grid import grid_of
from noria.stages.monitoring.parsing import misfits, unparsed
from noria.stages.monitoring.sketch import MOST, Distinct


def described(values, kind=Kind.FLOAT) -> FeatureReference:
    return describe(pl.Series("x", values), Chunks.one(len(values)), kind=kind, bins=10, importance=1.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=200),
    st.lists(st.floats(-50, 50), min_size=1, max_size=12, unique=True),
)
def test_comparing_with_each_edge_counts_as_a_search_for_each_number_does(values, edges):
    numbers, edges = np.array(values, dtype=float), np.sort(edges)
    codes = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="right"))
    assert edge_counts(numbers, edges).tolist() == np.bincount(codes, minlength=len(edges) + 2).tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-100, 100)), max_size=80), st.integers(0, 80))
def test_counts_of_two_batches_are_the_count_of_both(values, cut):
    feature = described(np.random.default_rng(1).normal(0, 20, 500))
    whole = count(feature, pl.Series("x", values, dtype=pl.Float64))
    parts = total(feature, [pl.Series("x", some, dtype=pl.Float64) for some in (values[:cut], values[cut:])])
    assert whole.bins.tolist() == parts.bins.tolist() and whole.rows == parts.rows == len(values)
    assert whole.distinct.count == parts.distinct.count


def test_the_reference_counted_again_is_what_it_says():
    for values, kind in (
        ([1.0, None, 2.5, 2.5, 9.0] * 40, Kind.FLOAT),
        (["a", "b", None, "b"] * 40, Kind.TEXT),
        ([True, False, None], Kind.BOOL),
    ):
        feature = described(values, kind)
        assert coarse(feature, count(feature, pl.Series("x", values))).tolist() == list(feature.counts)


def test_how_far_beyond_the_reference_a_number_lies_is_not_lost():
    feature = described(np.random.default_rng(2).normal(size=4_000))
    grid = grid_of(feature)
    assert grid.outside(count(feature, pl.Series([0.0, 50.0, -50.0, 3.0, float("inf")])).bins) == 3
    near, far = (np.flatnonzero(count(feature, pl.Series([x])).bins)[0] for x in (5.5, 9.0))
    assert near < far and (np.diff(grid.centres) >= 0).all()
    assert grid.coarse(grid.fine(np.asarray(feature.counts))).tolist() == list(feature.counts)


def test_text_counts_the_known_the_other_the_unseen_and_the_missing():
    feature = described(["a"] * 9 + ["b"] * 3 + [None], Kind.TEXT)
    found = count(feature, pl.Series(["a", "c", None, "b", "d"]))
    assert found.bins.tolist() == [1, 1, 2, 1] and (found.unseen, found.missing, found.distinct.count) == (2, 1, 4)
    assert count(feature, pl.Series([1, 2, None])).unparsed == 2


def test_a_column_of_nothing_is_all_missing():
    for feature in (described([1.0, 2.0]), described(["a"], Kind.TEXT), described([None, None])):
        assert count(feature, pl.Series([None, None])).missing == 2
        assert nothing(feature).rows == 0


@pytest.mark.parametrize(
    ("values", "kind", "wrong"),
    [
        (["1.5", "x", "", None, "nan"], Kind.FLOAT, 2),
        (["1", "2.5", "x"], Kind.INT, 2),
        ([1.0, 2.5, float("nan"), None], Kind.INT, 1),
        ([1, 2], Kind.INT, 0),
        (["true", "False", "0", "maybe"], Kind.BOOL, 1),
        ([0, 1, 2], Kind.BOOL, 1),
        ([1, 2, None], Kind.TEXT, 2),
        (["a", None], Kind.TEXT, 0),
        ([[1.0], [2.0]], Kind.FLOAT, 2),
        ([1.0, 2.0], "", 0),
    ],
)
def test_what_is_not_of_its_kind_is_counted(values, kind, wrong):
    series = pl.Series("x", values)
    assert unparsed(series, kind) == wrong == misfits(series, kind).sum()


def test_different_values_are_counted_exactly_while_few_and_nearly_when_many():
    rng = np.random.default_rng(3)
    assert Distinct.of(pl.Series([1, 1, 2, None])).count == 2
    many = pl.Series(rng.integers(0, 10**12, 100_000))
    found = Distinct.of(many)
    assert len(found.hashes) == MOST and found.count == pytest.approx(100_000, rel=0.12)
    assert (Distinct.of(many.head(70_000)) + Distinct.of(many.tail(60_000))).count == found.count
    assert Distinct().count == 0 and (Distinct() + found).count == found.count


def test_sorted_values_do_not_mislead_the_sketch():
    assert Distinct.of(pl.Series(np.repeat(np.arange(20_000), 5))).count == pytest.approx(20_000, rel=0.12)


def test_counts_of_a_chunk_add_up_feature_by_feature():
    feature = described([1.0, 2.0, 3.0])
    one = ChunkCounts(features={"x": count(feature, pl.Series([1.0]))})
    other = with_answers(ChunkCounts(features={"y": count(feature, pl.Series([2.0]))}), score=count(feature, pl.Series([3.0])))
    both = one + other + one
    assert both.features["x"].rows == 2 and both.features["y"].rows == 1
    assert both.score is not None and both.score.rows == 1 and both.outcome is None
