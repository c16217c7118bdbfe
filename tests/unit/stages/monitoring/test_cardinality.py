import numpy as np
import pytest

from noria.stages.monitoring.cardinality import curve_of, expected


def test_the_curve_is_what_drawing_at_random_shows():
    rng = np.random.default_rng(1)
    counts = rng.zipf(1.6, 400).clip(max=20_000).astype(np.int64)
    curve = curve_of(counts)
    for n in (40, 200, 1_000):
        drawn = [len(np.unique(rng.choice(400, n, p=counts / counts.sum()))) for _ in range(200)]
        assert expected(curve, n) == pytest.approx(np.mean(drawn), rel=0.05)


def test_beyond_the_reference_the_curve_goes_on_as_it_ended():
    all_different = curve_of(np.ones(5_000, dtype=np.int64))
    assert expected(all_different, 5_000) == pytest.approx(5_000)
    assert expected(all_different, 10_000) > 6_500
    few = curve_of(np.full(24, 1_000))
    assert expected(few, 10**6) == pytest.approx(24)


def test_without_values_nothing_is_expected():
    assert curve_of(np.zeros(0, dtype=np.int64)) == () and np.isnan(expected((), 100))
