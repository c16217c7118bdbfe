"""PyTorch and Keras networks on their way to a graph that serves, with what they answered while they were in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected
from noria.core.schema import Field, Signature
from noria.packaging import keras_graph, torch_graph
from noria.packaging.samples import Sample
from noria.packaging.scorer import as_answers

TOLERANCE = 1e-4
"""Networks count in single precision, in which two programs that do the same may differ in the fifth figure."""

MATRIX = "X"
"""What the graph's input is called where it takes a matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A network as a graph.

    Attributes:
        answers: Of the network itself, on the sample; none where the sample has no rows.
        libraries: That took part, beside ONNX Runtime.
    """

    content: bytes
    answers: np.ndarray | None
    libraries: tuple[str, ...]


def is_network(model: object) -> bool:
    """Whether `model` is a PyTorch module or a Keras model. Imports neither."""
    return torch_graph.is_module(model) or keras_graph.is_keras(model)


def export(model: Any, signature: Signature, sample: Sample) -> Exported:
    """The graph of a network, and its own answers to compare the graph's with.

    Raises:
        ArtifactRejected: it cannot be exported, or fails on the sample.
    """
    arrays, rows = _arrays(signature, sample)
    if keras_graph.is_keras(model):
        names = keras_graph.names(model)
        if not _one_matrix(signature) and sorted(names) != sorted(arrays):
            raise ArtifactRejected(
                f"the network's inputs are called {', '.join(names)[:200]}, the fields {', '.join(arrays)[:200]}",
                fix="name each keras.Input as its field",
            )
        taken = list(arrays.values()) if _one_matrix(signature) else [arrays[name] for name in names]
        answers = as_answers(keras_graph.predict(model, taken), signature) if rows else None
        return Exported(content=keras_graph.export(model), answers=answers, libraries=("keras", "tensorflow", "tf2onnx"))
    resting = torch_graph.resting(model)
    answers = as_answers(torch_graph.predict(resting, list(arrays.values())), signature) if rows else None
    return Exported(content=torch_graph.export(resting, arrays), answers=answers, libraries=("torch",))


def _one_matrix(signature: Signature) -> bool:
    return not any(field.kind.whole for field in signature.features)


def _arrays(signature: Signature, sample: Sample) -> tuple[dict[str, np.ndarray], int]:
    """What the network is called with, by name, and how many rows that has: two of zeros where the sample has none."""
    if isinstance(sample, np.ndarray):
        if not len(sample):
            return {MATRIX: np.zeros((2, len(signature.features)), dtype=np.float32)}, 0
        return {MATRIX: sample.astype(np.float32)}, len(sample)
    missing = [field.name for field in signature.features if field.name not in sample]
    if not sample:
        return {field.name: _zeros(field) for field in signature.features}, 0
    if missing:
        raise ArtifactRejected(f"the sample has no {', '.join(missing)[:200]}", fix="give one array per field of the signature")
    arrays = {field.name: np.asarray(sample[field.name]) for field in signature.features}
    return arrays, len(next(iter(arrays.values())))


def _zeros(field: Field) -> np.ndarray:
    return np.zeros((2, *(size if size > 0 else 1 for size in field.shape)), dtype=field.dtype or "float32")
