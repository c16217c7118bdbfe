import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial.distance import jensenshannon

from noria.stages.monitoring.distances import (
    chi_square,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    ks_p,
    two_proportions,
    wasserstein,
)

counts = hnp.arrays(np.int64, 7, elements=st.integers(0, 3_000)).filter(lambda found: found.sum() > 0)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_jensen_shannon_is_scipys_and_both_distances_lie_between_0_and_1(one, other):
    assert jensen_shannon(one, other) == pytest.approx(jensenshannon(one, other, base=2), abs=1e-7)
    p, q = one / one.sum(), other / other.sum()
    assert hellinger(one, other) == pytest.approx(np.sqrt(max(0.0, 1 - np.sqrt(p * q).sum())), abs=1e-6)
    assert 0 <= jensen_shannon(one, other) <= 1 + 1e-12 and 0 <= hellinger(one, other) <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_wasserstein_is_scipys_when_values_sit_at_the_centres(one, other):
    centres = np.array([-3.0, -1.0, 0.0, 0.5, 2.0, 10.0, 11.0])
    assert wasserstein(one, other, centres) == pytest.approx(stats.wasserstein_distance(centres, centres, one, other), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_ks_is_scipys_when_values_sit_at_the_centres(one, other):
    rows = [np.repeat(np.arange(7), table) for table in (one, other)]
    assert kolmogorov_smirnov(one, other) == pytest.approx(stats.ks_2samp(*rows, method="asymp").statistic, abs=1e-9)


def test_the_p_of_ks_is_scipys_asymptotic_one():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=3_000), rng.normal(0.05, 1, 2_000)
    known = stats.ks_2samp(one, other, method="asymp")
    assert ks_p(known.statistic, 3_000, 2_000) == pytest.approx(known.pvalue, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int64, (2, 5), elements=st.integers(20, 900)))
def test_chi_square_and_g_are_scipys_where_nothing_is_rare(table):
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if expected.min() < 5:
        return
    pearson, p, g, g_p = chi_square(*table)
    known = stats.chi2_contingency(table, correction=False)
    known_g = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert (pearson, p) == pytest.approx((known.statistic, known.pvalue), abs=1e-9)
    assert (g, g_p) == pytest.approx((known_g.statistic, known_g.pvalue), abs=1e-9)


def test_bins_too_rare_for_chi_square_are_pooled():
    pearson, p, _, _ = chi_square([500, 400, 3, 2, 1], [480, 430, 2, 4, 0])
    known = stats.chi2_contingency([[500, 400, 6], [480, 430, 6]], correction=False)
    assert (pearson, p) == pytest.approx((known.statistic, known.pvalue))
    assert np.isnan(chi_square([100, 0], [50, 0])).all() and np.isnan(chi_square([0, 0], [5, 5])).all()


def test_pooling_keeps_the_false_alarms_of_chi_square_at_their_level():
    rng = np.random.default_rng(2)
    shares = np.array([0.5, 0.3, 0.15, 0.04, 0.005, 0.003, 0.002])
    p = [chi_square(rng.multinomial(9_000, shares), rng.multinomial(300, shares))[1] for _ in range(1_500)]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.075


def test_two_proportions_agree_with_chi_square():
    z, p = two_proportions(30, 100, 450, 1_000)
    known = stats.chi2_contingency([[30, 70], [450, 550]], correction=False)
    assert (z**2, p) == pytest.approx((known.statistic, known.pvalue))
    assert z > 0 and two_proportions(5, 5, 9, 9) == (0.0, 1.0) and np.isnan(two_proportions(0, 0, 1, 2)[0])
