"""Opens a model file of a known format, ready to score; a library's own file is imported only then."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np

from noria.core.errors import ArtifactRejected, NoriaError
from noria.core.schema import Signature
from noria.packaging.scorer import Scorer

_SCORERS = {
    "lightgbm": ("lightgbm_text", "LightgbmScorer"),
    "xgboost": ("xgboost_model", "XgboostScorer"),
    "catboost": ("catboost_model", "CatboostScorer"),
    "skops": ("skops_zip", "SkopsScorer"),
    "onnx": ("onnx_graph", "OnnxScorer"),
    "python": ("python_class", "PythonScorer"),
}


def open_scorer(kind: str, content: bytes, signature: Signature) -> Scorer:
    """The model of a file of the format, ready to score.

    Raises:
        ArtifactRejected: it is damaged, or may not be opened.
        Unavailable: the library that it needs is not installed here.
    """
    module, name = _SCORERS[kind]
    scorer: Scorer = getattr(import_module(f"noria.packaging.{module}"), name)(content, signature)
    return scorer


def asked(ask: Callable[[], np.ndarray]) -> np.ndarray:
    """What a model answers.

    Raises:
        ArtifactRejected: it fails on these rows.
    """
    try:
        return ask()
    except NoriaError:
        raise
    except Exception as error:
        raise ArtifactRejected(
            f"the model fails on real rows: {type(error).__name__}: {error}",
            fix="let it take missing values (NaN): put a SimpleImputer in front, or use a model that handles them",
        ) from error
