"""ONNX graphs: opened and scored, whether a user brought them or Noria compiled them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected, RequestInvalid
from noria.core.schema import Signature
from noria.packaging.onnx_session import DTYPES, answer_of, open_session, takes_matrix
from noria.packaging.scorer import COLUMNS, MATRIX, as_answers


def dump(model: Any) -> bytes:
    """The graph's bytes."""
    return bytes(model.SerializeToString())


class OnnxScorer:
    """Scores through ONNX Runtime, one thread per call. Thread-safe.

    A graph of one float matrix takes that; any other takes columns: each of its inputs is a field of
    the signature.

    Raises:
        ArtifactRejected: ONNX Runtime cannot open it, it gives no floats, or its inputs are not the signature's fields.
    """

    format = "onnx"
    explained_by = ""

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        self._session = open_session(content)
        inputs = self._session.get_inputs()
        self.takes = MATRIX if takes_matrix(self._session) and not _holds_whole(signature) else COLUMNS
        self._input = inputs[0].name if inputs else ""
        self._dtype = DTYPES.get(inputs[0].type, "float32") if inputs else ""
        self._outputs = [answer_of(self._session)]
        if self.takes == COLUMNS:
            _fit(inputs, signature)

    def score(self, X: Any) -> np.ndarray:
        """Answers for float64 rows, shape (n, features), or for columns: (n,), or (n, width) where a row has several numbers.

        Raises:
            RequestInvalid: the graph refuses the columns, and says why.
        """
        answers = self._session.run(self._outputs, {self._input: X.astype(self._dtype)} if self.takes == MATRIX else self._feed(X))[0]
        return as_answers(answers, self.signature).astype(np.float64)

    def importance(self) -> np.ndarray:
        """Empty: a graph does not say."""
        return np.zeros(0)

    def contributions(self, X: np.ndarray, background: np.ndarray) -> None:
        """None: a graph does not say."""

    def _feed(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        feed = {}
        for one in self._session.get_inputs():
            column, dtype = columns[one.name], DTYPES[one.type]
            if dtype == "str":
                column = np.array(["" if text is None else text for text in column], dtype=object)
            try:
                cast = column if dtype == "str" else column.astype(dtype, copy=False)
            except (TypeError, ValueError) as error:
                raise RequestInvalid(f"{one.name} is not {dtype}: {error}", fields={one.name: f"must be {dtype}"}) from error
            feed[one.name] = cast.reshape(-1, 1) if len(one.shape) == 2 and cast.ndim == 1 else cast
        return feed


def _holds_whole(signature: Signature) -> bool:
    return any(field.kind.whole for field in signature.features)


def _fit(inputs: Any, signature: Signature) -> None:
    wanted, given = {one.name for one in inputs}, {field.name for field in signature.features}
    strange = sorted(one.type for one in inputs if one.type not in DTYPES)
    if strange or not wanted <= given:
        said = ", ".join(f"{one.name}: {one.type}" for one in inputs)
        raise ArtifactRejected(
            f"the graph takes {said[:300]}", fix="name the signature's fields as the graph's inputs, or give it one float matrix"
        )
