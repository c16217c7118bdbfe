"""Rows and answers in the forms that the field's protocols use: tables by column, rows without names, named outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.schema import Signature, Task
from noria.stages.serving.asks import Answered

PREDICTION, LABEL = "prediction", "label"

Inputs = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One named output of a batch.

    Attributes:
        values: One per row: a number, text, or a list of `width` numbers.
        width: Numbers per row; 0 where each row has one value.
        text: Whether the values are text.
    """

    name: str
    values: list[Any]
    width: int = 0
    text: bool = False


def of_columns(columns: Mapping[str, Sequence[Any]]) -> list[Inputs]:
    """Rows of a table that came column by column.

    Raises:
        RequestInvalid: the columns are not of one length.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RequestInvalid("the columns are not of one length", fields={name: f"has {length:,} rows" for name, length in lengths.items()})
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def of_lists(signature: Signature, rows: Sequence[Any], *, columns: Sequence[str] | None = None) -> list[Inputs]:
    """Rows that came without names: in the order of the signature's inputs, or of `columns`.

    Raises:
        RequestInvalid: a row is no list, or has another number of values; it is named.
    """
    names = [field.name for field in signature.inputs] if columns is None else list(columns)
    for place, row in enumerate(rows):
        if not isinstance(row, (list, tuple)):
            mixed = ", as the others are" if isinstance(row, dict) else ""
            raise RequestInvalid(f"row {place} is not a list{mixed}", fields={f"rows[{place}]": f"must be a list of {len(names)} values"})
        if len(row) != len(names):
            wanted = f"must have {len(names)} values ({', '.join(names[:20])}), not {len(row)}"
            raise RequestInvalid(f"row {place} {wanted}", fields={f"rows[{place}]": wanted})
    return [dict(zip(names, row, strict=True)) for row in rows]


def of_either(signature: Signature, rows: Sequence[Any]) -> list[Inputs]:
    """Rows that are objects, lists, or, for a model of one field, that field's values.

    Raises:
        RequestInvalid: see `of_lists`.
    """
    only = signature.inputs[0] if len(signature.inputs) == 1 else None
    if only is not None and only.kind.whole:
        return [row if isinstance(row, dict) and only.name in row else {only.name: row} for row in rows]
    if all(isinstance(row, dict) for row in rows):
        return list(rows)
    if len(signature.inputs) == 1 and not any(isinstance(row, (dict, list)) for row in rows):
        return of_lists(signature, [[row] for row in rows])
    return of_lists(signature, rows)


def shape(signature: Signature) -> tuple[tuple[str, int, bool], ...]:
    """Name, width and whether it is text, of each output that a version of this signature gives."""
    if signature.task is Task.MULTICLASS:
        return ((PREDICTION, len(signature.classes), False), (LABEL, 0, True))
    if signature.task is Task.BINARY and len(signature.classes) == 2:
        return ((PREDICTION, 0, False), (LABEL, 0, True))
    if signature.task in (Task.QUANTILE, Task.VECTOR):
        return ((PREDICTION, len(signature.classes) or signature.width, False),)
    return ((PREDICTION, 0, False),)


def outputs(signature: Signature, answers: Sequence[Answered]) -> tuple[Output, ...]:
    """A batch of answers as named outputs: the prediction, and the label of a classifier."""
    found = []
    for name, width, text in shape(signature):
        values = [one.label if name == LABEL else one.prediction for one in answers]
        spread = [_in_order(signature, value) if isinstance(value, dict) else value for value in values]
        found.append(Output(name=name, values=spread, width=width, text=text))
    return tuple(found)


def _in_order(signature: Signature, shares: Mapping[str, float]) -> list[float]:
    """Probabilities in the signature's order of classes: a challenger that knows others is brought to it."""
    return [shares.get(name, 0.0) for name in signature.classes] if signature.classes else list(shares.values())
