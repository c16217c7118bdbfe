"""scikit-learn models as skops files, opened by an allow-list of types."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException
from threadpoolctl import ThreadpoolController

from noria.core.errors import ArtifactRejected
from noria.core.schema import Signature, Task
from noria.packaging import linear
from noria.packaging.skops_stable import stable

ALLOWED = re.compile(
    r"collections\.(OrderedDict|defaultdict)"
    r"|functools\.partial"
    r"|numpy\.(dtype|random\.mtrand\.RandomState)"
    r"|scipy\.interpolate\._bsplines\.BSpline"
    r"|scipy\._lib\.array_api_compat\.numpy\._aliases\.asarray"
    r"|sklearn\._loss\.(_loss|link|loss)\.\w+"
    r"|sklearn\.calibration\.(_CalibratedClassifier|_SigmoidCalibration|_TemperatureScaling)"
    r"|sklearn\.ensemble\._hist_gradient_boosting\.(predictor\.TreePredictor|binning\._BinMapper)"
    r"|sklearn\.gaussian_process\._gpc\._BinaryGaussianProcessClassifierLaplace"
    r"|sklearn\.gaussian_process\.kernels\.[A-Z]\w+"
    r"|sklearn\.linear_model\._sgd_fast\.\w+"
    r"|sklearn\.metrics\._dist_metrics\.\w+Distance\d*"
    r"|sklearn\.neighbors\._(kd|ball)_tree\.(KD|Ball)Tree\d*"
    r"|sklearn\.neural_network\._stochastic_optimizers\.\w+"
    r"|sklearn\.tree\._tree\.Tree"
    r"|sklearn\.utils\._bunch\.Bunch"
    r"|sklearn\.utils\.validation\.check_array"
    r"|lightgbm\.basic\.Booster"
    r"|lightgbm\.sklearn\.LGBM(Classifier|Regressor|Ranker)"
    r"|xgboost\.core\.Booster"
    r"|xgboost\.sklearn\.XGB(RF)?(Classifier|Regressor|Ranker)"
)
"""Types beyond those that skops trusts by itself: the inner parts of estimators, none of which runs code when it is made."""


def dump(model: object) -> bytes:
    """The model as a skops file.

    Raises:
        ArtifactRejected: it holds code or objects of kinds that cannot be opened again without trust.
    """
    try:
        content = stable(bytes(skops.io.dumps(model)))
    except Exception as error:
        raise ArtifactRejected(f"skops cannot write a {type(model).__name__}: {error}") from error
    _trusted(content)
    return content


def construct(content: bytes) -> Any:
    """The model, made from allowed types only.

    Raises:
        ArtifactRejected: the file names a type that is not allowed, or is damaged.
    """
    try:
        return skops.io.loads(content, trusted=_trusted(content))
    except UntrustedTypesFoundException as error:
        raise ArtifactRejected(f"the skops file may not be opened: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise ArtifactRejected(f"the skops file does not fit this scikit-learn: {error}", fix="train the model again") from error


def _trusted(content: bytes) -> list[str]:
    unknown = skops.io.get_untrusted_types(data=content)
    refused = [name for name in unknown if not ALLOWED.fullmatch(name)]
    if refused:
        raise ArtifactRejected(
            f"the model holds types that could run code: {', '.join(refused[:10])}",
            fix="move functions of your own into an on-demand transform, and keep the pipeline to scikit-learn's and LightGBM's parts",
        )
    return unknown


def predict(model: Any, X: np.ndarray, task: Task) -> np.ndarray:
    """What the model answers: P(positive), class probabilities or values.

    Raises:
        ArtifactRejected: a classifier without `predict_proba`.
    """
    if task.numeric:
        return np.asarray(model.predict(X), dtype=np.float64).reshape(len(X))
    if not hasattr(model, "predict_proba"):
        raise ArtifactRejected(
            f"{type(model).__name__} gives no probabilities",
            fix="use a classifier with predict_proba, for example CalibratedClassifierCV around it",
        )
    chances = np.asarray(model.predict_proba(X), dtype=np.float64)
    return chances[:, 1] if task is Task.BINARY and chances.shape[1] == 2 else chances


def importance(model: Any) -> np.ndarray:
    """Weight of each input of the last step: `feature_importances_`, or mean |coefficient|; empty if it has neither."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    weights = getattr(last, "feature_importances_", None)
    if weights is None and getattr(last, "coef_", None) is not None:
        weights = np.abs(np.atleast_2d(last.coef_)).mean(axis=0)
    return np.zeros(0) if weights is None else np.asarray(weights, dtype=np.float64)


class SkopsScorer:
    """Scores with the model itself, one thread per call. Thread-safe: fitted estimators are only read."""

    format = "skops"

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        self.model = construct(content)
        self.explained_by = "linear" if linear.is_linear(self.model) else ""
        self._threads = ThreadpoolController()
        self._keep_to_one_job()
        # Columns come in the signature's order, without the names that a model fitted on a data frame remembers.
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)

    def score(self, X: np.ndarray) -> np.ndarray:
        """Answers for float64 rows, shape (n, features): (n,), or (n, classes) for multi-class."""
        with self._threads.limit(limits=1):
            return predict(self.model, X, self.signature.task)

    def importance(self) -> np.ndarray:
        """Weight of each input of the model's last step, or empty."""
        return importance(self.model)

    def contributions(self, X: np.ndarray, background: np.ndarray) -> np.ndarray | None:
        """In closed form for linear models; None for all others."""
        return linear.contributions(self.model, X, background) if self.explained_by else None

    def _keep_to_one_job(self) -> None:
        jobs = [name for name in self.model.get_params() if name.rpartition("__")[2] == "n_jobs"]
        self.model.set_params(**dict.fromkeys(jobs, 1))
