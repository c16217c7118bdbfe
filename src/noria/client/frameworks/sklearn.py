"""scikit-learn, and whatever keeps its manners: parameters, marks, signature, importances, and each candidate of a search."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error

from noria.client.entries import FINISHED
from noria.client.told import Told, importance_table, simple

MARKED_ROWS = 20_000
CHILDREN = 100
"""Candidates of a search that get a run of their own, the best first; the table has all."""


def fit(run: Told, estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Any:
    """Fit, and tell how long it took."""
    begun = time.perf_counter()
    fitted = estimator.fit(X, **fit_params) if y is None else estimator.fit(X, y, **fit_params)
    run.log({"fit_seconds": time.perf_counter() - begun}, step=0)
    return fitted


def tell(run: Told, estimator: Any, X: Any, y: Any, prefix: str) -> None:
    """Tell all that a fitted estimator says of itself."""
    run.tags({"estimator": type(estimator).__name__, "estimator.class": f"{type(estimator).__module__}.{type(estimator).__qualname__}"})
    run.params(simple({name: value for name, value in estimator.get_params(deep=True).items() if not hasattr(value, "get_params")}))
    best = estimator
    if hasattr(estimator, "cv_results_"):
        tell_search(run, estimator)
        best = getattr(estimator, "best_estimator_", None)
    if best is None:
        return
    tell_importances(run, best)
    if X is not None:
        tell_signature(run, best, X)
    if X is not None and y is not None:
        run.log({f"{prefix}_{name}": value for name, value in marks(best, X, y).items()}, step=0)


def marks(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    """The usual marks on these rows, or an even share of at most `MARKED_ROWS` of them."""
    X, y = _some(X), np.asarray(_some(y))
    answers = estimator.predict(X)
    if is_classifier(estimator):
        found = {"accuracy": accuracy_score(y, answers), "f1": f1_score(y, answers, average="weighted", zero_division=0)}
        if hasattr(estimator, "predict_proba"):
            chances = estimator.predict_proba(X)
            found["log_loss"] = log_loss(y, chances, labels=estimator.classes_)
            if len(np.unique(y)) == len(estimator.classes_) > 1:
                many = {} if chances.shape[1] == 2 else {"multi_class": "ovr", "labels": estimator.classes_}
                found["roc_auc"] = roc_auc_score(y, chances[:, 1] if chances.shape[1] == 2 else chances, **many)
        return {name: float(value) for name, value in found.items()}
    if is_regressor(estimator):
        return {
            "r2": float(r2_score(y, answers)),
            "rmse": float(root_mean_squared_error(y, answers)),
            "mae": float(mean_absolute_error(y, answers)),
        }
    return {"score": float(estimator.score(X, y))} if hasattr(estimator, "score") else {}


def tell_search(run: Told, search: Any) -> None:
    """The table of a search, its best candidate, and a run for each of the best hundred."""
    results = search.cv_results_
    if hasattr(search, "best_params_"):
        run.tags({f"best.{name}": value for name, value in search.best_params_.items()})
    if hasattr(search, "best_score_"):
        run.log({"best_cv_score": float(search.best_score_)}, step=0)
    columns = [name for name in results if name != "params"]
    out = io.StringIO()
    out.write(",".join(columns) + "\n")
    for row in range(len(results["params"])):
        out.write(",".join(_cell(results[name][row]) for name in columns) + "\n")
    run.log_text(out.getvalue(), "cv_results.csv")
    ranks = next((results[name] for name in results if name.startswith("rank_test")), range(len(results["params"])))
    for row in sorted(range(len(results["params"])), key=lambda row: ranks[row])[:CHILDREN]:
        child = run.begin_child(f"candidate-{row}")
        child.params(simple(results["params"][row]))
        numbers = {name: results[name][row] for name in columns if name.startswith(("mean_", "std_", "split", "rank_"))}
        child.log({name: float(value) for name, value in numbers.items()}, step=0)
        child.end(FINISHED)


def tell_importances(run: Told, estimator: Any) -> None:
    """What a model leans on, or its coefficients, as a table; of a pipeline its last step's."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    values = getattr(last, "feature_importances_", None)
    values = getattr(last, "coef_", None) if values is None else values
    if values is None:
        return
    shares = np.abs(np.atleast_2d(np.asarray(values, dtype=float))).mean(axis=0) if np.ndim(values) > 1 else np.asarray(values, dtype=float)
    names = _names(estimator, last, len(shares))
    run.log_text(importance_table(dict(zip(names, map(float, shares), strict=True))), "importance/features.csv")


def tell_signature(run: Told, estimator: Any, X: Any) -> None:
    """Names and types of what goes in and what comes out."""
    few = X[:5] if not hasattr(X, "iloc") else X.iloc[:5]
    answers = estimator.predict(few) if hasattr(estimator, "predict") else estimator.transform(few)
    run.log_dict({"inputs": _columns(few), "outputs": _columns(answers)}, "signature.json")


def _columns(table: Any) -> list[dict[str, str]]:
    if hasattr(table, "columns") and hasattr(table, "dtypes"):
        return [{"name": str(name), "type": str(kind)} for name, kind in zip(table.columns, table.dtypes, strict=True)]
    values = np.asarray(table)
    return [{"name": str(number), "type": str(values.dtype)} for number in range(values.shape[1] if values.ndim > 1 else 1)]


def _names(estimator: Any, last: Any, count: int) -> list[str]:
    if hasattr(estimator, "steps") and len(estimator.steps) > 1:
        try:
            names = list(map(str, estimator[:-1].get_feature_names_out()))
        except (AttributeError, ValueError):
            names = []
    else:
        names = list(map(str, getattr(last, "feature_names_in_", [])))
    return names if len(names) == count else [f"feature_{number}" for number in range(count)]


def _some(rows: Any) -> Any:
    """An even share of the rows, in their order."""
    count = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    if count <= MARKED_ROWS:
        return rows
    chosen = np.linspace(0, count - 1, MARKED_ROWS).astype(int)
    if hasattr(rows, "iloc"):
        return rows.iloc[chosen]
    return rows[chosen] if hasattr(rows, "shape") else [rows[one] for one in chosen]


def _cell(value: Any) -> str:
    said = str(value)
    return '"' + said.replace('"', '""') + '"' if any(sign in said for sign in ',"\n\r') else said
