from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from noria.stages.monitoring.thinning import thinned


@given(st.integers(0, 300), st.integers(1, 50), st.integers(0, 5))
def test_what_is_left_is_in_order_and_no_stretch_is_left_out(rows, most, seed):
    left = thinned(pl.DataFrame({"row": range(rows)}), most, seed)["row"].to_list()
    assert len(left) <= most and left == sorted(set(left))
    if rows <= most:
        assert left == list(range(rows))
    else:
        ends = [-1, *left, rows]
        assert all(after - before <= 2 * rows / most + 1 for before, after in pairwise(ends))
