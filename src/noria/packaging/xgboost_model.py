"""XGBoost models as their own binary JSON, never as pickle; served as a compiled graph, and here through their C library."""

from __future__ import annotations

import ctypes
import importlib.util
import threading
import weakref
from ctypes import POINTER, byref, c_char_p, c_float, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from noria.core.errors import ArtifactRejected, Unavailable
from noria.core.schema import Signature
from noria.packaging import xgboost_trees
from noria.packaging.forest_graph import graph_of
from noria.packaging.scorer import check_width

_VALUE, _CONTRIBUTIONS = 0, 2
_ASK = {"training": False, "iteration_begin": 0, "iteration_end": 0, "cache_id": 0, "strict_shape": True}


def is_xgboost(model: object) -> bool:
    """Whether `model` is a Booster, or a scikit-learn style model of XGBoost's (or a subclass of one)."""
    return any(kind.__module__.partition(".")[0] == "xgboost" for kind in type(model).__mro__)


def dump(model: Any) -> bytes:
    """The model's own binary JSON, up to its best iteration.

    Raises:
        ArtifactRejected: it has not been fitted, or is not made of trees.
    """
    try:
        content = bytes(_booster_of(model).save_raw("ubj"))
    except Exception as error:
        raise ArtifactRejected(f"the XGBoost model cannot be written: {error}", fix="return the fitted model from `train`") from error
    xgboost_trees.forest_of(content)
    return content


def predict(model: Any, X: np.ndarray) -> np.ndarray:
    """What the model itself answers, in Python: the oracle of the parity check."""
    return np.asarray(_booster_of(model).inplace_predict(X), dtype=np.float64) if len(X) else np.empty(0)


def compile_document(content: bytes, width: int) -> bytes:
    """The model as an ONNX graph of `width` columns.

    Raises:
        ArtifactRejected: it is damaged.
        ValueError: its objective makes answers in a way that has no counterpart.
    """
    forest, link = xgboost_trees.forest_of(content)
    if link is None:
        raise ValueError("its objective makes answers in a way that has no counterpart")
    return graph_of(forest)


def _booster_of(model: Any) -> Any:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    best = booster.attr("best_iteration")
    return booster if best is None or int(best) + 1 >= booster.num_boosted_rounds() else booster[: int(best) + 1]


class XgboostScorer:
    """Scores with one thread per call, in place. Thread-safe."""

    format = "xgboost"
    explained_by = "tree-shap"

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        forest, _ = xgboost_trees.forest_of(content)
        self._width, self._content = len(signature.features), content
        if forest.width != self._width:
            raise ArtifactRejected(f"the model has {forest.width} features, its signature {self._width}", fix="train it again")
        self._booster = _Booster(xgboost_trees.canonical(content))
        self._lock = threading.Lock()
        self.score(np.zeros((1, self._width)))

    def score(self, X: np.ndarray) -> np.ndarray:
        """Answers for float64 rows, shape (n, features): (n,), or (n, classes) for multi-class.

        Raises:
            RequestInvalid: the matrix has another width.
        """
        check_width(X, self._width)
        answers = self._booster.in_place(X)
        return answers[:, 0] if answers.ndim == 2 and answers.shape[1] == 1 else answers

    def importance(self) -> np.ndarray:
        """Total gain of each feature's splits, shape (features,)."""
        return xgboost_trees.gains(self._content, self._width)

    def contributions(self, X: np.ndarray, background: np.ndarray) -> np.ndarray:
        """Each feature's part in each margin, and last the base: TreeSHAP (Lundberg et al. 2020), by XGBoost itself.

        Returns:
            Shape (n, outputs, features + 1). The background is what the trees counted in training, not `background`.
        """
        with self._lock:
            return self._booster.contributions(X)


class _Booster:
    """A loaded model: its handle in the C library, freed with it."""

    def __init__(self, content: bytes) -> None:
        library = _library()
        self.handle = c_void_p()
        _check(library.XGBoosterCreate(None, c_uint64(0), byref(self.handle)))
        weakref.finalize(self, library.XGBoosterFree, self.handle)
        _check(library.XGBoosterLoadModelFromBuffer(self.handle, content, c_uint64(len(content))))
        _check(library.XGBoosterSetParam(self.handle, b"nthread", b"1"))

    def in_place(self, X: np.ndarray) -> np.ndarray:
        """Answers without a copy of the rows; read before the same thread asks again."""
        X, shape, dimensions, answers = np.ascontiguousarray(X, dtype=np.float64), POINTER(c_uint64)(), c_uint64(), POINTER(c_float)()
        asked = orjson.dumps(_ASK | {"type": _VALUE}).replace(b"}", b',"missing":NaN}')
        _check(
            _library().XGBoosterPredictFromDense(self.handle, _described(X), asked, None, byref(shape), byref(dimensions), byref(answers))
        )
        return _copied(answers, shape, dimensions)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Parts of margins. Not thread-safe."""
        library = _library()
        X, rows = np.ascontiguousarray(X, dtype=np.float64), c_void_p()
        _check(library.XGDMatrixCreateFromDense(_described(X), b'{"missing":NaN,"nthread":1}', byref(rows)))
        try:
            shape, dimensions, parts = POINTER(c_uint64)(), c_uint64(), POINTER(c_float)()
            asked = orjson.dumps(_ASK | {"type": _CONTRIBUTIONS})
            _check(library.XGBoosterPredictFromDMatrix(self.handle, rows, asked, byref(shape), byref(dimensions), byref(parts)))
            return _copied(parts, shape, dimensions)
        finally:
            library.XGDMatrixFree(rows)


def _described(X: np.ndarray) -> bytes:
    """The matrix as the library wants to be told of it: NumPy's array interface, as JSON."""
    return b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f8","version":3}' % (X.ctypes.data, *X.shape)


def _copied(numbers: Any, shape: Any, dimensions: c_uint64) -> np.ndarray:
    """The library's floats as float64: it will overwrite them."""
    size = tuple(shape[place] for place in range(dimensions.value))
    return np.ctypeslib.as_array(numbers, size).astype(np.float64)


def _check(code: int) -> None:
    if code:
        said = _library().XGBGetLastError().decode(errors="replace").splitlines()
        raise ArtifactRejected(f"XGBoost says: {said[0] if said else code}"[:300], fix="train the model again")


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_library_file()))
    library.XGBGetLastError.restype = c_char_p
    return library


def _library_file() -> Path:
    spec = importlib.util.find_spec("xgboost")
    if spec is None or spec.origin is None:
        raise Unavailable("XGBoost is not installed here", fix='pip install "noria[xgboost]"')
    package = Path(spec.origin).parent
    for file in (package / "lib" / name for name in ("libxgboost.so", "libxgboost.dylib", "xgboost.dll")):
        if file.is_file():
            return file
    raise Unavailable(f"XGBoost's library is not in {package}", fix="reinstall xgboost from its wheel")
