"""Rows and answers as KServe V1 and TensorFlow Serving write them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.schema import Field, Kind, Signature
from noria.dataplane.tensor_forms import ROW_LIMIT
from noria.stages.serving import forms
from noria.stages.serving.asks import Answered
from noria.stages.serving.desk import Deployed

SIGNATURE = "serving_default"

_DTYPE = {Kind.FLOAT: "DT_DOUBLE", Kind.INT: "DT_INT64", Kind.BOOL: "DT_BOOL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rows of one call.

    Attributes:
        columnar: Whether they came column by column, as `inputs`; then answers go so too.
    """

    rows: list[forms.Inputs]
    columnar: bool = False


def asked_of(signature: Signature, body: Mapping[str, Any]) -> Asked:
    """The rows of `instances` or `inputs`.

    Raises:
        RequestInvalid: neither or both are there, or they are no rows; too many.
    """
    if ("instances" in body) == ("inputs" in body):
        raise RequestInvalid("needs instances (rows) or inputs (columns)", fields={"instances": "must be there, or inputs, not both"})
    if body.get("signature_name", SIGNATURE) not in (SIGNATURE, "", None):
        raise RequestInvalid(
            f"there is no signature {str(body['signature_name'])[:100]!r}", fields={"signature_name": f"must be {SIGNATURE}"}
        )
    columnar = "inputs" in body
    told = body["inputs"] if columnar else body["instances"]
    if columnar and isinstance(told, dict):
        found = forms.of_columns({name: _list(name, column) for name, column in told.items()})
    else:
        found = forms.of_either(signature, [_opened(row) for row in _list("inputs" if columnar else "instances", told)])
    if len(found) > ROW_LIMIT:
        raise RequestInvalid(f"{len(found):,} rows in one request", fields={"instances": f"must be at most {ROW_LIMIT:,}"})
    fields = {field.name: field for field in signature.inputs}
    return Asked(rows=[{name: _value(fields.get(name), value) for name, value in row.items()} for row in found], columnar=columnar)


def answered_as(asked: Asked, signature: Signature, answers: Sequence[Answered]) -> dict[str, Any]:
    """The answers: the values alone where there is one output, else each under its name."""
    outputs = {one.name: one.values for one in forms.outputs(signature, answers)}
    only = next(iter(outputs.values())) if len(outputs) == 1 else None
    if asked.columnar:
        return {"outputs": outputs if only is None else only}
    if only is not None:
        return {"predictions": only}
    return {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}


def metadata(deployed: Deployed, version: int) -> dict[str, Any]:
    """A model as TensorFlow Serving describes one: its signature of tensors."""
    inputs = {field.name: _tensor(field.name, _DTYPE.get(field.kind, "DT_STRING"), 1) for field in deployed.signature.inputs}
    outputs = {
        name: _tensor(name, "DT_STRING" if text else "DT_DOUBLE", width or 1) for name, width, text in forms.shape(deployed.signature)
    }
    served = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
    return {
        "model_spec": {"name": deployed.name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: served}}},
    }


def _tensor(name: str, dtype: str, width: int) -> dict[str, Any]:
    sizes = [{"size": "-1", "name": ""}, {"size": str(width), "name": ""}]
    return {"dtype": dtype, "tensor_shape": {"dim": sizes, "unknown_rank": False}, "name": name}


def _list(name: str, told: object) -> list[Any]:
    if not isinstance(told, list):
        raise RequestInvalid(f"{name[:100]} is not a list", fields={name[:100]: "must be a list"})
    return told


def _value(field: Field | None, value: Any) -> Any:
    """One value of a field: [1.5] of a tensor with one number per row is 1.5."""
    if isinstance(value, list) and len(value) == 1 and (field is None or not field.kind.whole):
        value = value[0]
    value = _opened(value)
    return None if value != value and field is not None and not field.required else value


def _opened(value: Any) -> Any:
    """What stands in {"b64": …}, as text."""
    if not isinstance(value, dict) or set(value) != {"b64"}:
        return value
    try:
        return base64.b64decode(value["b64"], validate=True).decode()
    except (binascii.Error, ValueError, TypeError) as error:
        raise RequestInvalid(f"b64 holds what is no text: {error}", fields={"b64": "must be base64 of UTF-8"}) from None
