"""Python models at work: only in a process of their own, and only where somebody said that their code is trusted."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected, RequestInvalid
from noria.core.schema import Kind, Signature
from noria.packaging import python_zip
from noria.packaging.scorer import COLUMNS, MATRIX, as_answers

_UNFOLDED = "noria-python-"


class PythonScorer:
    """Scores with the user's own class. Its `predict` is called from one thread at a time; it may do anything.

    Attributes:
        takes: MATRIX where the class says so, else COLUMNS.
        streams: Whether it has a method `stream`.

    Raises:
        ArtifactRejected: the archive is damaged, or making the model fails; the message holds the reason.
    """

    format = python_zip.FORMAT
    explained_by = ""

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        folder = tempfile.mkdtemp(prefix=_UNFOLDED)
        weakref.finalize(self, shutil.rmtree, folder, True)
        card = python_zip.unfold(content, Path(folder))
        try:
            self._model = _made(card, Path(folder), signature)
        except Exception as error:
            raise ArtifactRejected(f"the Python model cannot be made: {type(error).__name__}: {error}", fix="mend its code") from error
        self._wants = str(getattr(self._model, "takes", COLUMNS))
        self.takes = MATRIX if self._wants == MATRIX else COLUMNS
        self.streams = bool(getattr(self._model, "streams", callable(getattr(self._model, "stream", None))))

    def score(self, X: Any) -> np.ndarray:
        """Answers for columns by name, or for a float64 matrix: (n,), or (n, width) where a row has several numbers.

        Raises:
            RequestInvalid: the class gave something else than one answer per row.
            Exception: whatever the class raises.
        """
        if self._wants == MATRIX:
            return self._numbers(self._model.predict(X), len(X))
        columns = self._columns(X) if isinstance(X, np.ndarray) else X
        rows = len(next(iter(columns.values()), ()))
        return self._numbers(self._model.predict(_rows(columns, rows) if self._wants == "rows" else columns), rows)

    def stream(self, inputs: Mapping[str, Any]) -> Iterator[Any]:
        """The answer to one row, piece by piece, as the class yields it."""
        return iter(self._model.stream(inputs))

    def classes(self) -> list[str]:
        """Labels of the model's classes as it tells them itself; none where it does not."""
        return [str(one) for one in getattr(self._model, "classes", ())]

    def importance(self) -> np.ndarray:
        """Empty: a class does not say."""
        return np.zeros(0)

    def contributions(self, X: np.ndarray, background: np.ndarray) -> None:
        """None: a class does not say."""

    def _columns(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """A matrix as columns, text as the words that its codes stand for."""
        return {
            field.name: _words(X[:, place], field.categories) if field.kind is Kind.TEXT else X[:, place]
            for place, field in enumerate(self.signature.features)
        }

    def _numbers(self, answers: Any, rows: int) -> np.ndarray:
        signature, given = self.signature, np.asarray(answers)
        if given.dtype.kind in "OUS" and signature.classes:
            places = {name: place for place, name in enumerate(signature.classes)}
            given = np.eye(len(places))[[places[str(answer)] for answer in given.reshape(-1).tolist()]]
        numbers = given.astype(np.float64)
        if len(numbers) != rows if numbers.ndim else rows:
            raise RequestInvalid(f"the class gave {len(numbers) if numbers.ndim else 'no'} answers to {rows} rows")
        return as_answers(numbers, signature)


def _made(card: python_zip.Card, folder: Path, signature: Signature) -> Any:
    files = folder / python_zip.FILES
    files.mkdir(exist_ok=True)
    if card.kind == python_zip.MLFLOW:
        from noria.packaging.mlflow_flavour import MlflowFlavour

        return MlflowFlavour(files, signature)
    kind: Any = _module(card.module, folder / python_zip.CODE)
    for name in card.name.split("."):
        kind = getattr(kind, name)
    return kind.load(files) if callable(getattr(kind, "load", None)) else kind()


def _module(name: str, code: Path) -> Any:
    """The module, from this archive's sources: another archive's of the same names are forgotten first."""
    sys.path.insert(0, str(code))
    for known, module in list(sys.modules.items()):
        if _UNFOLDED in str(getattr(module, "__file__", None) or ""):
            del sys.modules[known]
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _words(codes: np.ndarray, categories: tuple[str, ...]) -> np.ndarray:
    words = np.empty(len(codes), dtype=object)
    words[:] = [None if code != code else categories[int(code)] for code in codes.tolist()]
    return words


def _rows(columns: Mapping[str, np.ndarray], rows: int) -> list[dict[str, Any]]:
    return [{name: _value(column[place]) for name, column in columns.items()} for place in range(rows)]


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else float(value)
    return value
