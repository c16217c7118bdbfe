"""Sessions of ONNX Runtime: how a graph is opened, and what it takes and gives."""

from __future__ import annotations

from typing import Any

import onnxruntime

from noria.core.errors import ArtifactRejected
from noria.packaging.audit import audit

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint64)": "uint64",
    "tensor(uint32)": "uint32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}
"""A graph's element type to NumPy's name of it."""

FLOATS = ("float32", "float64")


def open_session(content: bytes) -> Any:
    """A session of one thread.

    Raises:
        ArtifactRejected: it is no graph that is safe to open, or ONNX Runtime cannot open it.
    """
    audit(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtifactRejected(f"ONNX Runtime cannot open the graph: {error}") from error


def answer_of(session: Any) -> str:
    """The last float output: classifiers give their label first, then the probabilities."""
    floats = [output.name for output in session.get_outputs() if DTYPES.get(output.type) in FLOATS]
    if not floats:
        said = ", ".join(f"{output.name}: {output.type}" for output in session.get_outputs())
        raise ArtifactRejected(f"the graph gives {said[:300]}", fix="turn zipmap off, so that probabilities come as a tensor")
    return str(floats[-1])


def takes_matrix(session: Any) -> bool:
    """Whether a graph takes one float matrix (rows, features), as a table's models do."""
    inputs = session.get_inputs()
    return len(inputs) == 1 and DTYPES.get(inputs[0].type) in FLOATS and len(inputs[0].shape) == 2
