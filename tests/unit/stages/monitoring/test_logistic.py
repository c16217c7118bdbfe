import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from noria.stages.monitoring.logistic import auc, fit


def rows(seed, n=400):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 4))
    return X, (random.random(n) < 1 / (1 + np.exp(-X @ [1.0, -0.5, 0.0, 0.2]))).astype(float)


def test_the_weights_are_those_of_scikit_learn():
    X, y = rows(1)
    known = LogisticRegression(C=1.0, tol=1e-8).fit(X, y)
    weights = fit(np.column_stack([np.ones(len(X)), X]), y)
    assert weights == pytest.approx([*known.intercept_, *known.coef_[0]], abs=1e-3)


def test_the_auc_is_that_of_scikit_learn_with_ties():
    X, y = rows(2)
    score = np.round(X[:, 0], 1)
    assert auc(y, score) == pytest.approx(roc_auc_score(y, score))
    assert np.isnan(auc(np.ones(3), np.arange(3.0)))


def test_rows_that_can_be_told_apart_at_once_give_finite_weights():
    X = np.column_stack([np.ones(20), np.arange(20.0)])
    assert np.isfinite(fit(X, (np.arange(20) >= 10).astype(float))).all()
