"""LightGBM models as their own text, scored through its C library: no `import lightgbm`, which costs two seconds."""

from __future__ import annotations

import ctypes
import importlib.util
import threading
import weakref
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from noria.core.errors import ArtifactRejected, Unavailable
from noria.core.schema import Signature
from noria.packaging.scorer import check_width

_FLOAT64, _NORMAL, _CONTRIBUTIONS, _ALL_TREES, _GAIN, _SPLITS = 1, 0, 3, -1, 1, 0
_FEW_ROWS = 6
"""Up to here prepared calls row by row are faster than one call for all, which reads its parameters anew."""
_ONE_THREAD = b"num_threads=1 verbosity=-1"


def is_lightgbm(model: object) -> bool:
    """Whether `model` is a Booster, or a scikit-learn style model of LightGBM's (or a subclass of one)."""
    return any(kind.__module__.partition(".")[0] == "lightgbm" for kind in type(model).__mro__)


def dump(model: Any) -> bytes:
    """The model's own text, up to its best iteration.

    Raises:
        ArtifactRejected: it has not been fitted.
    """
    try:
        return str(_booster_of(model).model_to_string()).encode()
    except Exception as error:
        raise ArtifactRejected(f"the LightGBM model cannot be written: {error}", fix="return the fitted model from `train`") from error


def described(content: bytes) -> dict[str, Any]:
    """What LightGBM says of the model in `content`, as its `dump_model` gives it."""
    booster, size = _Booster(content), c_int64()
    arguments = (booster.handle, c_int(0), c_int(_ALL_TREES), c_int(_SPLITS))
    _check(_library().LGBM_BoosterDumpModel(*arguments, c_int64(0), byref(size), None))
    said = ctypes.create_string_buffer(size.value)
    _check(_library().LGBM_BoosterDumpModel(*arguments, size, byref(size), said))
    return dict(orjson.loads(said.value))


def predict(model: Any, X: np.ndarray) -> np.ndarray:
    """What the model itself answers, in Python: the oracle of the parity check."""
    return np.asarray(_booster_of(model).predict(X)) if len(X) else np.empty(0)


def _booster_of(model: Any) -> Any:
    return model.booster_ if hasattr(model, "fit") else model


class LightgbmScorer:
    """Scores with one thread per call. Thread-safe: each calling thread has scratch memory and a prepared call of its own."""

    format = "lightgbm"
    explained_by = "tree-shap"

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        self._booster = _Booster(content)
        self._width = len(signature.features)
        if self._booster.features != self._width:
            raise ArtifactRejected(f"the model has {self._booster.features} features, its signature {self._width}", fix="train it again")
        self._local = threading.local()

    def score(self, X: np.ndarray) -> np.ndarray:
        """Answers for float64 rows, shape (n, features): (n,), or (n, classes) for multi-class.

        Raises:
            RequestInvalid: the matrix has another width.
        """
        check_width(X, self._width)
        answers = self._row_by_row(X) if len(X) <= _FEW_ROWS else self._at_once(X)
        return answers if self._booster.outputs == 1 else answers.reshape(len(X), self._booster.outputs)

    def importance(self) -> np.ndarray:
        """Total gain of each feature's splits, shape (features,)."""
        gains = np.zeros(self._width)
        _check(_library().LGBM_BoosterFeatureImportance(self._booster.handle, c_int(_ALL_TREES), c_int(_GAIN), _pointer(gains)))
        return gains

    def contributions(self, X: np.ndarray, background: np.ndarray) -> np.ndarray:
        """Each feature's part in each margin, and last the base: TreeSHAP (Lundberg et al. 2020), by LightGBM itself.

        Returns:
            Shape (n, outputs, features + 1). The background is what the trees counted in training, not `background`.
        """
        return self._ask(X, _CONTRIBUTIONS, len(X) * self._booster.outputs * (self._width + 1)).reshape(
            len(X), self._booster.outputs, self._width + 1
        )

    def _row_by_row(self, X: np.ndarray) -> np.ndarray:
        try:
            lane: _Lane = self._local.lane
        except AttributeError:
            lane = self._local.lane = _Lane(self._booster)
        if len(X) == 1:
            return lane.ask(X[0]).copy()
        answers = np.empty((len(X), self._booster.outputs))
        for place, row in enumerate(X):
            answers[place] = lane.ask(row)
        return answers.reshape(-1)

    def _at_once(self, X: np.ndarray) -> np.ndarray:
        return self._ask(X, _NORMAL, len(X) * self._booster.outputs)

    def _ask(self, X: np.ndarray, what: int, size: int) -> np.ndarray:
        X = np.ascontiguousarray(X, dtype=np.float64)
        answers = np.empty(size)
        written = c_int64()
        code = _library().LGBM_BoosterPredictForMat(
            self._booster.handle, X.ctypes.data_as(c_void_p), _FLOAT64, len(X), self._width, 1,
            what, 0, _ALL_TREES, _ONE_THREAD, byref(written), _pointer(answers),
        )  # fmt: skip
        _check(code)
        return answers


class _Booster:
    """A loaded model: its handle in the C library, freed with it."""

    def __init__(self, content: bytes) -> None:
        library = _library()
        self.handle = c_void_p()
        iterations, outputs, features = c_int(), c_int(), c_int()
        _check(library.LGBM_BoosterLoadModelFromString(content, byref(iterations), byref(self.handle)))
        weakref.finalize(self, library.LGBM_BoosterFree, self.handle)
        _check(library.LGBM_BoosterGetNumClasses(self.handle, byref(outputs)))
        _check(library.LGBM_BoosterGetNumFeature(self.handle, byref(features)))
        self.outputs, self.features = outputs.value, features.value


class _Lane:
    """One thread's prepared single-row call, on memory that does not move.

    It keeps the interpreter's lock: the call takes microseconds, and asking for the lock back from
    a busy thread may take milliseconds.
    """

    def __init__(self, booster: _Booster) -> None:
        library = _library()
        self.booster = booster
        self.row = np.empty(booster.features)
        self.answer = np.empty(booster.outputs)
        self.written = c_int64()
        config = c_void_p()
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster.handle, _NORMAL, 0, _ALL_TREES, _FLOAT64, booster.features, _ONE_THREAD, byref(config)
            )
        )
        weakref.finalize(self, library.LGBM_FastConfigFree, config)
        self._call = _library_with_lock().LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (config, self.row.ctypes.data_as(c_void_p), byref(self.written), self.answer.ctypes.data_as(c_void_p))

    def ask(self, row: np.ndarray) -> np.ndarray:
        """The answer to one row, shape (outputs,): read it before the next call."""
        self.row[:] = row
        if self._call(*self._arguments):
            _check(-1)
        return self.answer


def _check(code: int) -> None:
    if code:
        raise ArtifactRejected(f"LightGBM says: {_library().LGBM_GetLastError().decode(errors='replace')}", fix="train the model again")


def _pointer(array: np.ndarray) -> Any:
    return array.ctypes.data_as(POINTER(c_double))


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_library_file()))
    library.LGBM_GetLastError.restype = c_char_p
    library.LGBM_BoosterPredictForMat.argtypes = [
        c_void_p, c_void_p, c_int, c_int32, c_int32, c_int, c_int, c_int, c_int, c_char_p, c_void_p, c_void_p,
    ]  # fmt: skip
    library.LGBM_BoosterPredictForMatSingleRowFastInit.argtypes = [
        c_void_p, c_int, c_int, c_int, c_int, c_int32, c_char_p, c_void_p,
    ]  # fmt: skip
    return library


@cache
def _library_with_lock() -> ctypes.PyDLL:
    return ctypes.PyDLL(str(_library_file()))


def _library_file() -> Path:
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise Unavailable("LightGBM is not installed here", fix='pip install "lightgbm>=4.5"')
    package = Path(spec.origin).parent
    names = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
    for file in (folder / name for folder in (package / "lib", package / "bin", package) for name in names):
        if file.is_file():
            return file
    raise Unavailable(f"LightGBM's library is not in {package}", fix="reinstall lightgbm from its wheel")
