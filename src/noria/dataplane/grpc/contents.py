"""Tensors between the protocol's messages and the values that all faces share; raw bytes where the caller sent raw bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from noria.core.errors import RequestInvalid
from noria.dataplane.tensor_forms import Wanted
from noria.dataplane.tensors import Tensor, misfit, raw_of, tensor, tensor_of_raw

_TYPED = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Datatype to the list that carries its values; FP16 and BF16 travel as raw bytes alone."""


def tensors_asked(request: Any) -> list[Tensor]:
    """The inputs of a `ModelInferRequest`.

    Raises:
        RequestInvalid: raw and typed contents are mixed, or one does not fit its shape or datatype.
    """
    raw = request.raw_input_contents
    if not raw:
        return [_typed(one) for one in request.inputs]
    if len(raw) != len(request.inputs):
        why = f"are {len(raw)}, and there are {len(request.inputs)} inputs; send one for each, in the same order"
        raise RequestInvalid(f"raw_input_contents {why}", fields={"raw_input_contents": why})
    if mixed := next((one.name for one in request.inputs if one.HasField("contents")), None):
        raise misfit(mixed, "has contents, and the request has raw_input_contents: send one of the two")
    return [
        tensor_of_raw(one.name, one.datatype, tuple(one.shape), held, content_type=_content_type(one))
        for one, held in zip(request.inputs, raw, strict=True)
    ]


def wanted_asked(request: Any) -> list[Wanted]:
    """The outputs that a `ModelInferRequest` names; none are all."""
    return [
        Wanted(
            name=one.name, classification=max(0, one.parameters["classification"].int64_param) if "classification" in one.parameters else 0
        )
        for one in request.outputs
    ]


def answer(response: Any, outputs: Iterable[Tensor], *, raw: bool) -> None:
    """Put outputs into a `ModelInferResponse`."""
    for one in outputs:
        output = response.outputs.add(name=one.name, datatype=one.datatype, shape=one.shape)
        if raw:
            response.raw_output_contents.append(raw_of(one))
        else:
            values = [value.encode() if isinstance(value, str) else value for value in one.values]
            getattr(output.contents, _TYPED[one.datatype]).extend(values)


def asked_raw(request: Any) -> bool:
    """Whether the answer goes back as raw bytes: so it does where the request came so, or asks for it by `binary_data_output`."""
    if request.raw_input_contents:
        return True
    return "binary_data_output" in request.parameters and request.parameters["binary_data_output"].bool_param


def _typed(one: Any) -> Tensor:
    listed = _TYPED.get(one.datatype)
    if listed is None and one.datatype in ("FP16", "BF16"):
        raise misfit(one.name, f"is {one.datatype}, which travels in raw_input_contents alone")
    values = getattr(one.contents, listed) if listed else ()
    filled = [field.name for field, _ in one.contents.ListFields()]
    if listed and (strange := [name for name in filled if name != listed]):
        raise misfit(one.name, f"is {one.datatype}, which lies in {listed}, not in {', '.join(strange)}")
    return tensor(one.name, one.datatype, tuple(one.shape), values, content_type=_content_type(one))


def _content_type(one: Any) -> str:
    return one.parameters["content_type"].string_param if "content_type" in one.parameters else ""
