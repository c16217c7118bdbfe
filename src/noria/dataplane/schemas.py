"""A deployment's signature as JSON Schema, and a row that fits it."""

from __future__ import annotations

from typing import Any

from noria.core.schema import Field, Kind, Signature, Task
from noria.stages.serving.forms import LABEL, shape
from noria.stages.serving.validation import TEXT_LIMIT

Schema = dict[str, Any]

_SHOWN = 20
"""Most categories that a description names."""

_BYTES: Schema = {
    "oneOf": [
        {"type": "string", "contentEncoding": "base64"},
        {"type": "object", "properties": {"b64": {"type": "string", "contentEncoding": "base64"}}, "required": ["b64"]},
    ]
}
_PLAIN: dict[Kind, Schema] = {
    Kind.BOOL: {"type": "boolean"},
    Kind.INT: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    Kind.FLOAT: {"type": "number"},
    Kind.TEXT: {"type": "string", "maxLength": TEXT_LIMIT},
    Kind.TIME: {"type": "string", "description": "A time in ISO 8601."},
    Kind.BYTES: _BYTES,
}
_EXAMPLES: dict[Kind, Any] = {
    Kind.BOOL: True,
    Kind.INT: 1,
    Kind.FLOAT: 1.5,
    Kind.TEXT: "text",
    Kind.TIME: "2026-03-01T12:30:00Z",
    Kind.BYTES: "bm9yaWE=",
}


def inputs_schema(signature: Signature) -> Schema:
    """The fields of one row."""
    categories = {feature.name: feature.categories for feature in signature.features}
    return {
        "type": "object",
        "properties": {one.name: _field(one, one.categories or categories.get(one.name, ())) for one in signature.inputs},
        "required": [one.name for one in signature.inputs if one.required],
        "additionalProperties": False,
    }


def answer_schema(signature: Signature) -> Schema:
    """One row's answer, as Noria's own protocol says it."""
    properties: dict[str, Schema] = {
        "id": {"type": "string", "description": "Under this id the outcome is told."},
        "version": {"type": "integer", "description": "Which version answered."},
        "role": {"type": "string", "enum": ["champion", "challenger", "fallback"]},
        "prediction": _prediction(signature),
    }
    required = ["id", "version", "role", "prediction"]
    if any(name == LABEL for name, _, _ in shape(signature)):
        properties["label"] = {"type": "string", "enum": list(signature.classes)} if signature.classes else {"type": "string"}
        required.append("label")
    return {"type": "object", "properties": properties, "required": required}


def example_row(signature: Signature) -> dict[str, Any]:
    """A row that the deployment takes."""
    categories = {feature.name: feature.categories for feature in signature.features}
    return {one.name: _example(one, one.categories or categories.get(one.name, ())) for one in signature.inputs}


def spoken_kind(field: Field) -> str:
    """What a field is, in a word or two."""
    return f"{field.dtype or 'float64'}{list(field.shape)}" if field.kind is Kind.TENSOR else str(field.kind)


def _field(field: Field, categories: tuple[str, ...]) -> Schema:
    found = _tensor(field) if field.kind is Kind.TENSOR else dict(_PLAIN[field.kind])
    if categories:
        listed = ", ".join(categories[:_SHOWN]) + (f" and {len(categories) - _SHOWN} more" if len(categories) > _SHOWN else "")
        found["description"] = f"Known from training: {listed}. Others count as missing."
    if field.required:
        return found
    return {"oneOf": [*found["oneOf"], {"type": "null"}]} if "oneOf" in found else {**found, "type": [found["type"], "null"]}


def _tensor(field: Field) -> Schema:
    found: Schema = {"type": "number"}
    for size in reversed(field.shape):
        found = {"type": "array", "items": found} | ({} if size < 0 else {"minItems": size, "maxItems": size})
    return {"description": f"An array of shape {list(field.shape)}, {field.dtype or 'float64'}.", **found}


def _prediction(signature: Signature) -> Schema:
    number: Schema = {"type": "number"}
    if signature.task is Task.MULTICLASS or (signature.task in (Task.QUANTILE, Task.VECTOR) and signature.classes):
        return {"type": "object", "additionalProperties": number}
    if signature.task is Task.VECTOR:
        return {"type": "array", "items": number}
    if signature.task is Task.BINARY:
        return number | {
            "minimum": 0,
            "maximum": 1,
            "description": f"How likely it is {signature.classes[-1] if signature.classes else 'so'}.",
        }
    return number


def _example(field: Field, categories: tuple[str, ...]) -> Any:
    if field.kind is not Kind.TENSOR:
        return categories[0] if categories else _EXAMPLES[field.kind]
    found: Any = 0.0
    for size in reversed(field.shape):
        found = [found] * max(size, 1)
    return found
