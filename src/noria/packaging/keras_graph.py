"""Keras networks become ONNX graphs: they answer without TensorFlow, and no code comes with them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected


def is_keras(model: object) -> bool:
    """Whether `model` is a Keras model, without importing Keras."""
    return any(kind.__module__.startswith(("keras.src.models", "keras.models")) for kind in type(model).__mro__)


def predict(model: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """What a model itself answers, in Keras: the oracle of the parity check."""
    given = model.predict_on_batch(arrays[0] if len(arrays) == 1 else list(arrays))
    last = given[-1] if isinstance(given, (tuple, list)) else given
    return np.asarray(last, dtype=np.float64)


def names(model: Any) -> list[str]:
    """Names of a model's inputs, in order."""
    return [str(one.name) for one in model.inputs]


def export(model: Any) -> bytes:
    """A model as an ONNX graph, for any number of rows.

    Raises:
        ArtifactRejected: it cannot be exported; the exporter's own reason is told.
    """
    with tempfile.TemporaryDirectory(prefix="noria-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder) / "model.onnx"
        try:
            model.export(str(file), format="onnx", verbose=False)
        except Exception as error:
            raise ArtifactRejected(
                f"Keras cannot export {type(model).__name__} to ONNX: {type(error).__name__}: {error}",
                fix='pip install "noria[tensorflow]", and keep to layers that tf2onnx knows',
            ) from error
        return file.read_bytes()
