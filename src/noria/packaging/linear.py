"""What a linear scikit-learn model adds up, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

COLUMN_BY_COLUMN = frozenset({"SimpleImputer", "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"})
"""Steps that leave each column a column of its own."""
ON_LOG_ODDS = frozenset({"LogisticRegression", "LogisticRegressionCV", "SGDClassifier"})
ON_VALUES = frozenset(
    {"LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "SGDRegressor", "HuberRegressor"}
)


def is_linear(model: Any) -> bool:
    """Whether the model is a linear one, alone or behind steps that keep columns apart."""
    *before, last = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    return type(last).__name__ in ON_LOG_ODDS | ON_VALUES and all(type(step).__name__ in COLUMN_BY_COLUMN for step in before)


def contributions(model: Any, X: np.ndarray, background: np.ndarray) -> np.ndarray | None:
    """Coefficient times distance from the background's mean, and last the base.

    Returns:
        Shape (n, outputs, features + 1), on log-odds for a classifier of two classes; None where a
        step drops columns or adds some, or the model has several classes (they share one scale).
    """
    coefficients = np.atleast_2d(model.steps[-1][1].coef_ if hasattr(model, "steps") else model.coef_)
    intercept = np.ravel(model.steps[-1][1].intercept_ if hasattr(model, "steps") else model.intercept_)
    inner, mean = _before(model, X), _before(model, background).mean(axis=0)
    if inner.shape[1] != X.shape[1] or len(coefficients) != 1:
        return None
    parts = coefficients[None, :, :] * (inner - mean)[:, None, :]
    base = np.broadcast_to(coefficients @ mean + intercept, (len(X), 1))
    return np.concatenate([parts, base[:, :, None]], axis=2)


def _before(model: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(model[:-1].transform(X) if hasattr(model, "steps") and len(model.steps) > 1 else X, dtype=np.float64)
