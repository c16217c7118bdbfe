import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.stages.monitoring.bins import categories_of, codes_of, edges_of, size_of

numbers = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32)), min_size=1, max_size=60)


def counted(values, edges):
    codes = codes_of(pl.Series(values, dtype=pl.Float64, strict=False), edges=edges, categories=())
    return np.bincount(codes, minlength=size_of(edges=edges, categories=()))


@settings(max_examples=50, deadline=None)
@given(numbers, numbers)
def test_every_value_falls_in_one_bin_whatever_the_reference_was(reference, values):
    edges = edges_of(np.array([float("nan") if v is None else v for v in reference]), 10)
    assert list(edges) == sorted(set(edges))
    found = counted(values, edges)
    assert found.sum() == len(values) and len(found) == len(edges) + 2
    assert found[-1] == sum(v is None or v != v for v in values)


def test_smooth_numbers_get_even_bins_and_an_outer_bin_on_each_side():
    values = np.random.default_rng(1).normal(size=20_000)
    edges = edges_of(values, 10)
    found = counted(values, edges)
    assert len(edges) == 11
    assert (np.abs(found[1:-2] / 20_000 - 0.1) < 0.005).all()
    assert found[0] / 20_000 < 0.002 and found[-2] / 20_000 < 0.002


def test_a_heavy_value_has_a_bin_of_its_own():
    rain = np.concatenate([np.zeros(950), np.linspace(0.01, 1, 50)])
    edges = edges_of(rain, 10)
    found = counted(rain, edges)
    assert 950 in found
    assert counted([0.5] * 7, edges)[found.argmax() + 1 :].sum() == 7


def test_a_constant_is_told_from_what_lies_below_and_above():
    edges = edges_of(np.full(100, 3.0), 10)
    assert counted([2.0, 3.0, 3.0, 4.0, None], edges).tolist() == [1, 2, 1, 1]


def test_a_few_freak_values_do_not_hide_a_new_world():
    values = np.concatenate([np.random.default_rng(2).normal(size=9_995), np.full(5, 999.0)])
    assert counted([50.0] * 10, edges_of(values, 10))[-2] == 10


def test_text_has_bins_for_the_frequent_the_other_and_the_missing():
    seen = pl.Series("carrier", ["UA"] * 5 + ["AA"] * 3 + ["B6"] + [None])
    categories = categories_of(seen, most=2)
    assert categories == ("AA", "UA")
    codes = codes_of(pl.Series(["UA", "AA", "B6", "never seen", None]), edges=(), categories=categories)
    assert codes.tolist() == [1, 0, 2, 2, 3]


def test_a_feature_that_was_all_missing_still_tells_present_from_missing():
    assert codes_of(pl.Series([1.0, None]), edges=(), categories=()).tolist() == [0, 1]
