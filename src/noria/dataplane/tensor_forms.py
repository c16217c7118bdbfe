"""A model's rows and answers as tensors: one tensor per field, or one matrix of all, and named outputs."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from noria.core.errors import NotFound, RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.dataplane.tensors import BF16, BYTES, DATATYPES, Tensor, misfit
from noria.stages.serving import forms
from noria.stages.serving.asks import Answered
from noria.stages.serving.items import Item

ROW_LIMIT = 100_000
"""Rows of one call, whatever more the desk would take."""

_OF_KIND = {Kind.FLOAT: "FP64", Kind.INT: "INT64", Kind.BOOL: "BOOL", Kind.TEXT: BYTES, Kind.TIME: BYTES, Kind.BYTES: BYTES}
_FLOATS = ("FP16", "FP32", "FP64", "BF16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What the protocol tells about one tensor of a model; -1 in the shape is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An output that a caller asks for.

    Attributes:
        classification: So many likeliest classes instead of the numbers, each as "value:place:class"; 0 = the numbers.
    """

    name: str
    classification: int = 0


def inputs_of(signature: Signature) -> tuple[Spec, ...]:
    """One tensor per field."""
    return tuple(
        Spec(
            name=one.name,
            datatype=_datatype(one),
            shape=(-1, *one.shape) if one.kind is Kind.TENSOR else (-1, 1),
            optional=not one.required,
        )
        for one in signature.inputs
    )


def outputs_of(signature: Signature) -> tuple[Spec, ...]:
    """The prediction, and the label of a classifier."""
    return tuple(
        Spec(name=name, datatype=BYTES if text else "FP64", shape=(-1, width or 1)) for name, width, text in forms.shape(signature)
    )


def rows_of(signature: Signature, tensors: Sequence[Tensor]) -> list[forms.Inputs]:
    """Rows in the form that `Desk.predict` checks against the signature.

    NaN is a missing value where the field may be missing. 0 and 1 of any number are a bool where the field is one.

    Args:
        tensors: One per field, shape (rows,) or (rows, 1); or a single one, shape (rows, fields), in the signature's order.

    Raises:
        RequestInvalid: they do not fit each other or the signature's number of fields; too many rows.
    """
    if not tensors:
        raise RequestInvalid("there are no inputs", fields={"inputs": "must hold at least one tensor"})
    for one in tensors:
        if one.shape[0] > ROW_LIMIT:
            raise misfit(one.name, f"has {one.shape[0]:,} rows; one call takes at most {ROW_LIMIT:,}")
    fields = {field.name: field for field in signature.inputs}
    whole = any(field.kind.whole for field in signature.inputs)
    if len(tensors) == 1 and not whole and (matrix := _matrix(fields, tensors[0])) is not None:
        return forms.of_columns(matrix)
    names = [one.name for one in tensors]
    if twice := {name for name in names if names.count(name) > 1}:
        raise misfit(min(twice), "is there more than once")
    return forms.of_columns({one.name: _column(fields.get(one.name), one) for one in tensors})


def request_id(given: str) -> str:
    """The caller's own id, or a fresh one, so that an outcome can be told for it."""
    return given or f"req_{uuid.uuid4().hex}"


def items_of(request_id: str, rows: Sequence[forms.Inputs]) -> list[Item]:
    """Rows with their ids: the request's own for one row, and behind it "-0", "-1", … for many; "" leaves it to the desk."""
    if not request_id:
        return [(None, row) for row in rows]
    if len(rows) == 1:
        return [(request_id, rows[0])]
    return [(f"{request_id}-{place}", row) for place, row in enumerate(rows)]


def tensors_of(signature: Signature, answers: Sequence[Answered], wanted: Iterable[Wanted] = ()) -> list[Tensor]:
    """Answers as output tensors: those that are wanted, in that order, or all.

    Raises:
        RequestInvalid: there is no such output, or it has no classes.
    """
    found = {one.name: one for one in forms.outputs(signature, answers)}
    given = [_numbers(one, len(answers)) for one in found.values()] if not (asked := list(wanted)) else []
    for one in asked:
        if one.name not in found:
            raise misfit(one.name, f"is not an output; there are {', '.join(found)}")
        output = found[one.name]
        given.append(_classes(signature, output, one.classification) if one.classification else _numbers(output, len(answers)))
    return given


def check_wanted(signature: Signature, wanted: Iterable[Wanted]) -> None:
    """Refuse what `tensors_of` would refuse, before anything is computed.

    Raises:
        RequestInvalid: there is no such output, or it has no classes.
    """
    tensors_of(signature, (), wanted)


def versions_told(answers: Sequence[Answered], champion: int) -> str:
    """The version that answered, as text; all of them where a rollout dealt the rows of one call to several."""
    return ",".join(map(str, sorted({one.version for one in answers}))) or str(champion)


def version_asked(text: str) -> int | None:
    """A version of the protocol as a number; "" is none.

    Raises:
        NotFound: it is no number.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"versions are whole numbers, so there is no {text[:40]!r}")
    return int(text)


def _matrix(fields: dict[str, Field], one: Tensor) -> dict[str, list[Any]] | None:
    """The columns of a tensor that holds all fields, or None where it is one field's own."""
    if one.name in fields and one.shape[1:] in ((), (1,)):
        return None
    width = len(fields)
    if one.shape[1:] != (width,) and not (width == 1 and len(one.shape) == 1):
        wanted = f"the model takes one of shape [rows, {width}], in this order: {', '.join(list(fields)[:20])}; or one per field"
        raise misfit(one.name, f"has shape {list(one.shape)}; {wanted}")
    return {name: _converted(field, one, one.values[place::width]) for place, (name, field) in enumerate(fields.items())}


def _datatype(field: Field) -> str:
    if field.kind is not Kind.TENSOR:
        return _OF_KIND[field.kind]
    wanted = np.dtype(field.dtype)
    return next((name for name, dtype in DATATYPES.items() if dtype == wanted), "FP64")


def _column(field: Field | None, one: Tensor) -> list[Any]:
    if field is not None and field.kind is Kind.TENSOR:
        return _arrays(one)
    if any(size != 1 for size in one.shape[1:]):
        raise misfit(one.name, f"has shape {list(one.shape)}; a field has one value per row: [{one.shape[0]}] or [{one.shape[0]}, 1]")
    return _converted(field, one, one.values)


def _converted(field: Field | None, one: Tensor, values: list[Any]) -> list[Any]:
    if field is not None and field.kind is Kind.BYTES:
        return _pieces(one, values)
    if one.datatype == BYTES:
        return [_text(one, value) for value in values]
    if field is None:
        return values
    if field.kind is Kind.BOOL:
        return [bool(value) if value in (0, 1) else value for value in values]
    if not field.required and one.datatype in _FLOATS:
        return [None if value != value else value for value in values]
    return values


def _arrays(one: Tensor) -> list[Any]:
    """One array per row, with the rest of the tensor's shape."""
    if one.datatype == BYTES or any(value is None for value in one.values):
        raise misfit(one.name, "must hold numbers throughout")
    return list(np.array(one.values, dtype="<f4" if one.datatype == BF16 else DATATYPES[one.datatype]).reshape(one.shape))


def _pieces(one: Tensor, values: list[Any]) -> list[Any]:
    """Files: bytes as they came, and base64 text where they came as text."""
    return [value.decode(errors="replace") if one.content_type == "base64" and isinstance(value, bytes) else value for value in values]


def _text(one: Tensor, value: str | bytes) -> str:
    try:
        if one.content_type == "base64":
            value = base64.b64decode(value, validate=True)
        return value if isinstance(value, str) else value.decode()
    except (UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise misfit(one.name, f"holds what is no text: {error}") from None


def _numbers(output: forms.Output, rows: int) -> Tensor:
    if output.width:
        flat, width = [value for row in output.values for value in row], output.width
    else:
        flat, width = ["" if value is None else value for value in output.values] if output.text else output.values, 1
    return Tensor(name=output.name, datatype=BYTES if output.text else "FP64", shape=(rows, width), values=flat)


def _classes(signature: Signature, output: forms.Output, most: int) -> Tensor:
    """The likeliest classes of each row, after Triton's classification extension."""
    if output.text or signature.task not in (Task.BINARY, Task.MULTICLASS) or len(signature.classes) < 2:
        raise misfit(output.name, "has no classes to name")
    count = min(most, len(signature.classes))
    told = []
    for value in output.values:
        shares = value if output.width else [1.0 - value, value]
        for place in sorted(range(len(shares)), key=lambda at: -shares[at])[:count]:
            told.append(f"{shares[place]:f}:{place}:{signature.classes[place]}")
    return Tensor(name=output.name, datatype=BYTES, shape=(len(output.values), count), values=told)
