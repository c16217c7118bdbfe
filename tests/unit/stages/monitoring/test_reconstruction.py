import numpy as np
import pytest
from sklearn.decomposition import PCA

from noria.stages.monitoring.reconstruction import components_of, deviation, errors, learn, residuals


def rows(seed, n=600):
    random = np.random.default_rng(seed)
    return random.normal(size=(n, 3)) @ random.normal(size=(3, 7)) + 0.3 * random.normal(size=(n, 7))


def test_components_and_errors_are_those_of_scikit_learn():
    X = rows(1)
    X -= X.mean(axis=0)
    known = PCA(n_components=0.65, svd_solver="full").fit(X)
    mine = components_of(np.cov(X.T, bias=True))
    assert len(mine) == known.n_components_
    assert np.abs(mine @ known.components_.T) == pytest.approx(np.eye(len(mine)), abs=1e-8)
    rebuilt = known.inverse_transform(known.transform(X))
    assert errors(X, mine) == pytest.approx(np.linalg.norm(X - rebuilt, axis=1))
    assert residuals(X, mine) == pytest.approx(X - rebuilt)


def test_a_feature_that_leaves_its_relation_is_named_as_the_part_that_grew():
    random = np.random.default_rng(2)
    X = np.repeat(random.normal(size=(3_000, 1)), 4, axis=1) + 0.3 * random.normal(size=(3_000, 4))
    known = learn(X, np.arange(3_000) // 100, np.ones(30, dtype=bool))
    moved = X[:500].copy()
    moved[:, 2] = random.permutation(moved[:, 2])
    change, parts = deviation(moved, known)
    assert change > 3 * known.errors.limit / known.errors.usual
    assert parts.argmax() == 2 and parts.sum() == pytest.approx(1.0)
    calm, _ = deviation(X[:500], known)
    assert abs(calm) < known.errors.limit / known.errors.usual


def test_a_constant_world_has_no_error_and_is_no_crash():
    X = np.zeros((50, 3))
    assert components_of(np.cov(X.T)).shape == (0, 3)
    change, parts = deviation(X, learn(X, np.zeros(50, dtype=int), np.ones(1, dtype=bool)))
    assert change == 0 and not parts.any()
