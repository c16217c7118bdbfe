"""CatBoost models as their own JSON, never as pickle; served as a compiled graph, and here by CatBoost itself."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected, Unavailable
from noria.core.schema import Signature, Task
from noria.packaging import catboost_trees
from noria.packaging.forest_graph import graph_of
from noria.packaging.scorer import check_width


def is_catboost(model: object) -> bool:
    """Whether `model` is a CatBoost, a CatBoostClassifier, …Regressor or …Ranker (or a subclass of one)."""
    return any(kind.__module__.partition(".")[0] in ("catboost", "_catboost") for kind in type(model).__mro__)


def dump(model: Any) -> bytes:
    """The model's own JSON.

    Raises:
        ArtifactRejected: it has not been fitted.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.json"
            model.save_model(str(file), format="json")
            return file.read_bytes()
    except Exception as error:
        raise ArtifactRejected(f"the CatBoost model cannot be written: {error}", fix="return the fitted model from `train`") from error


def opened(content: bytes, form: str = "json") -> Any:
    """The model, made by CatBoost from a file of form "json" or "cbm". A hostile "cbm" may end the process: open it in another one.

    Raises:
        Unavailable: CatBoost is not installed here.
        ArtifactRejected: CatBoost cannot open it.
    """
    try:
        from catboost import CatBoost
    except ImportError as error:
        raise Unavailable("CatBoost is not installed here", fix='pip install "noria[catboost]"') from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model.{form}"
        file.write_bytes(content)
        try:
            return CatBoost().load_model(str(file), format=form)
        except Exception as error:
            raise ArtifactRejected(f"CatBoost cannot open the model: {str(error)[:200]}", fix="copy the file again") from error


def predict(model: Any, X: np.ndarray, task: Task) -> np.ndarray:
    """What the model itself answers, with one thread: P(positive), class probabilities or values.

    A count or a cost that was trained on its logarithm comes back as itself.
    """
    if not len(X):
        return np.empty(0)
    from catboost import CatBoost

    asked = "Probability" if not task.numeric else "Exponent" if _loss(model) in ("Poisson", "Tweedie") else "RawFormulaVal"
    # Asked of the class that all of them are: a ranker's own `predict` takes no type.
    chances = np.asarray(CatBoost.predict(model, X, prediction_type=asked, thread_count=1), dtype=np.float64)
    return chances[:, 1] if task is Task.BINARY and chances.ndim == 2 and chances.shape[1] == 2 else chances


def compile_document(content: bytes, width: int) -> bytes:
    """The model as an ONNX graph of `width` columns: CatBoost leaves out those at the end that it never used.

    Raises:
        ArtifactRejected: it is damaged, or has features that are no numbers.
        ValueError: its loss makes answers in a way that has no counterpart.
    """
    forest, link = catboost_trees.forest_of(content)
    if link is None:
        raise ValueError("its loss makes answers in a way that has no counterpart")
    return graph_of(replace(forest, width=max(width, forest.width)))


def _loss(model: Any) -> str:
    return str(model.get_all_params()["loss_function"]).partition(":")[0]


class CatboostScorer:
    """Scores by CatBoost itself, one thread per call. Thread-safe: a model that is open is only read."""

    format = "catboost"
    explained_by = "tree-shap"

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        forest, _ = catboost_trees.forest_of(content)
        self._width = len(signature.features)
        if forest.width > self._width:
            raise ArtifactRejected(f"the model has {forest.width} features, its signature {self._width}", fix="train it again")
        self.model = opened(content)

    def score(self, X: np.ndarray) -> np.ndarray:
        """Answers for float64 rows, shape (n, features): (n,), or (n, classes) for multi-class.

        Raises:
            RequestInvalid: the matrix has another width.
        """
        check_width(X, self._width)
        return predict(self.model, X, self.signature.task)

    def importance(self) -> np.ndarray:
        """How much answers change with each feature, shape (features,)."""
        return np.asarray(self.model.get_feature_importance(thread_count=1), dtype=np.float64)

    def contributions(self, X: np.ndarray, background: np.ndarray) -> np.ndarray:
        """Each feature's part in each margin, and last the base: TreeSHAP (Lundberg et al. 2020), by CatBoost itself.

        Returns:
            Shape (n, outputs, features + 1). The background is what the trees counted in training, not `background`.
        """
        from catboost import Pool

        parts = np.asarray(self.model.get_feature_importance(Pool(X), type="ShapValues", thread_count=1), dtype=np.float64)
        return parts[:, None, :] if parts.ndim == 2 else parts
