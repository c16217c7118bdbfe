"""ONNX graphs: opened and scored, whether a user brought them or Noria compiled them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from noria.core.errors import ArtifactRejected
from noria.core.schema import Signature, Task
from noria.packaging.audit import audit

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def dump(model: Any) -> bytes:
    """The graph's bytes."""
    return bytes(model.SerializeToString())


class OnnxScorer:
    """Scores through ONNX Runtime, one thread per call. Thread-safe.

    Raises:
        ArtifactRejected: ONNX Runtime cannot open it, or it does not take one float matrix and give floats.
    """

    format = "onnx"
    explained_by = ""

    def __init__(self, content: bytes, signature: Signature) -> None:
        self.signature = signature
        audit(content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ArtifactRejected(f"ONNX Runtime cannot open the graph: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _FLOATS:
            raise ArtifactRejected(
                f"the graph takes {', '.join(f'{i.name}: {i.type}' for i in inputs)[:300]}",
                fix="give it one float tensor of shape (rows, features)",
            )
        self._input, self._dtype = inputs[0].name, _FLOATS[inputs[0].type]
        self._outputs = [_answer_of(self._session)]

    def score(self, X: np.ndarray) -> np.ndarray:
        """Answers for float64 rows, shape (n, features): (n,), or (n, classes) for multi-class."""
        answers = self._session.run(self._outputs, {self._input: X.astype(self._dtype)})[0]
        if answers.ndim == 2 and self.signature.task is not Task.MULTICLASS:
            answers = answers[:, -1] if answers.shape[1] <= 2 else answers
        return answers.astype(np.float64)

    def importance(self) -> np.ndarray:
        """Empty: a graph does not say."""
        return np.zeros(0)

    def contributions(self, X: np.ndarray, background: np.ndarray) -> None:
        """None: a graph does not say."""


def _answer_of(session: Any) -> str:
    """The last float output: classifiers give their label first, then the probabilities."""
    floats = [output.name for output in session.get_outputs() if output.type in _FLOATS]
    if not floats:
        said = ", ".join(f"{output.name}: {output.type}" for output in session.get_outputs())
        raise ArtifactRejected(f"the graph gives {said[:300]}", fix="turn zipmap off, so that probabilities come as a tensor")
    return str(floats[-1])
