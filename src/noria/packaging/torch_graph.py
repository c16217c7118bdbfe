"""PyTorch networks become ONNX graphs: they answer without PyTorch, and no code comes with them."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected

ROWS = "rows"
"""Name of the dimension that may have any length."""


def is_module(model: object) -> bool:
    """Whether `model` is a PyTorch module, without importing PyTorch."""
    return any(kind.__module__.partition(".")[0] == "torch" for kind in type(model).__mro__)


def resting(model: Any) -> Any:
    """A copy of a module on the CPU that answers and does not learn: without dropout, with fixed batch statistics."""
    return copy.deepcopy(model).cpu().eval()


def predict(model: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """What a module itself answers, in PyTorch: the oracle of the parity check."""
    import torch

    with torch.no_grad():
        given = model(*_tensors(model, arrays))
    last = given[-1] if isinstance(given, (tuple, list)) else given
    return np.asarray(last.detach().numpy(), dtype=np.float64)


def export(model: Any, arrays: Mapping[str, np.ndarray]) -> bytes:
    """A module as an ONNX graph whose inputs have these names, for any number of rows.

    Args:
        arrays: Example rows for each argument of `forward`, in its order.

    Raises:
        ArtifactRejected: it cannot be exported; the exporter's own reason is told.
    """
    import torch

    example = tuple(_tensors(model, list(arrays.values())))
    export = _as_it_is_scripted if isinstance(model, torch.jit.ScriptModule) else _by_its_whole_graph
    try:
        with _quiet():
            return export(model, example, list(arrays))
    except Exception as error:
        raise ArtifactRejected(
            f"PyTorch cannot export {type(model).__name__} to ONNX: {type(error).__name__}: {error}"[:1_500],
            fix="keep `forward` to tensor operations (torch.where for a branch on values), and see that onnxscript is installed: "
            'pip install "noria[torch]"',
        ) from error


def _by_its_whole_graph(model: Any, example: tuple[Any, ...], names: list[str]) -> bytes:
    """Through `torch.export`, which refuses a branch on values; following one run would bake that run's branch in."""
    import torch

    rows = torch.export.Dim(ROWS)
    program = torch.onnx.export(
        model, example, dynamo=True, input_names=names, dynamic_shapes=tuple({0: rows} for _ in names), verbose=False
    )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def _as_it_is_scripted(model: Any, example: tuple[Any, ...], names: list[str]) -> bytes:
    """A TorchScript program holds its branches itself; only the older exporter reads it."""
    import torch

    content = io.BytesIO()
    torch.onnx.export(model, example, content, dynamo=False, input_names=names, dynamic_axes={name: {0: ROWS} for name in names})
    return content.getvalue()


def _tensors(model: Any, arrays: Sequence[np.ndarray]) -> list[Any]:
    """Arrays as tensors; floats in the precision of the module's own weights."""
    import torch

    own = next((weight.dtype for weight in model.parameters() if weight.is_floating_point()), torch.float32)
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return [tensor.to(own) if tensor.is_floating_point() else tensor for tensor in tensors]


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print and warn about PyTorch's own parts, which no user can change."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
