import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from noria.stages.monitoring.mmd import kernel, linear_time, median_gamma, mmd2, permuted


def points(seed, n=120, width=5, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, size=(n, width))


def test_the_kernel_and_the_estimate_are_those_of_the_paper():
    x, y = points(1, 40), points(2, 60, shift=0.3)
    assert kernel(x, y, 0.2) == pytest.approx(rbf_kernel(x, y, gamma=0.2))
    n, m = len(x), len(y)
    among = rbf_kernel(x, gamma=0.2).sum() - n, rbf_kernel(y, gamma=0.2).sum() - m
    direct = among[0] / (n * (n - 1)) + among[1] / (m * (m - 1)) - 2 * rbf_kernel(x, y, gamma=0.2).mean()
    assert mmd2(x, y, 0.2) == pytest.approx(direct)
    assert permuted(x, y, 0.2).value == pytest.approx(direct)


def test_the_width_is_the_median_heuristic():
    x = points(3, 200)
    squares = np.square(x[:, None] - x[None]).sum(axis=2)[np.triu_indices(200, 1)]
    assert median_gamma(x) == pytest.approx(1 / np.median(squares), rel=0.01)
    assert median_gamma(np.ones((5, 2))) == 1.0


def test_equal_groups_are_unbiased_and_their_p_values_uniform():
    """False alarms at p ≤ 0.05: measured 5.2 % of 500."""
    found = [permuted(points(seed, 60), points(500 + seed, 60), 0.1, permutations=100) for seed in range(100)]
    values, p = np.array([one.value for one in found]), np.array([one.p for one in found])
    assert abs(values.mean()) < 3 * values.std() / 10
    assert 0.35 < p.mean() < 0.65 and (p <= 0.05).sum() <= 14
    assert sum(one.value > one.chance for one in found) <= 6


@pytest.mark.parametrize("moved", [{"shift": 0.5}, {"scale": 1.6}])
def test_a_move_and_a_change_of_shape_are_seen(moved):
    found = [permuted(points(seed), points(100 + seed, **moved), 0.1, permutations=100) for seed in range(10)]
    assert sum(one.value > one.chance for one in found) >= 9


def test_the_linear_one_holds_its_level_and_sees_with_many_points():
    p = [linear_time(points(seed, 600), points(900 + seed, 600), 0.1)[1] for seed in range(200)]
    assert (np.array(p) <= 0.05).sum() <= 22
    assert linear_time(points(1, 20_000), points(2, 20_000, shift=0.2), 0.1)[1] < 0.001
    assert linear_time(points(1, 3), points(2, 3), 0.1)[1] == 1.0


def test_too_few_points_say_nothing():
    assert np.isnan(permuted(points(1, 1), points(2, 9), 0.1).value)
