import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from noria.stages.monitoring.stability import chance_limit, debiased_psi


@pytest.mark.parametrize("rows", [100, 300, 1_000, 20_000])
def test_without_drift_the_index_is_zero_on_average_at_any_number_of_rows(rows):
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    reference, chunks = rng.multinomial(20_000, shares, size=2_000), rng.multinomial(rows, shares, size=2_000)
    found = debiased_psi(reference, chunks)
    assert abs(found.mean()) < 0.15 * 9 * (1 / rows + 1 / 20_000)
    beyond = (found > [chance_limit(one, rows) for one in reference]).mean()
    assert 0.002 < beyond < 0.03


def test_it_agrees_with_the_plain_index_when_every_bin_is_full():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    plain = ((p - q) * np.log(p / q)).sum()
    assert debiased_psi(p * 1e7, q * 1e7) == pytest.approx(plain, abs=1e-6)


def test_a_bin_that_is_rare_in_both_adds_nothing():
    assert abs(debiased_psi([50_000, 50_000, 0, 0], [500, 500, 0, 0])) < 0.002


counts = hnp.arrays(np.int64, 6, elements=st.integers(0, 5_000)).filter(lambda found: found.sum() > 0)


@settings(max_examples=50, deadline=None)
@given(counts, counts)
def test_the_index_is_finite_and_never_below_what_chance_takes_off(reference, chunk):
    freedom = max(np.count_nonzero(reference) - 1, 0)
    found = debiased_psi(reference, chunk)
    assert np.isfinite(found)
    assert found >= -freedom * (1 / reference.sum() + 1 / chunk.sum()) - 1e-9


def test_one_kind_of_value_leaves_nothing_to_chance():
    assert chance_limit([100, 0], 50) == 0.0
    assert chance_limit([100, 100], 0) == 0.0
