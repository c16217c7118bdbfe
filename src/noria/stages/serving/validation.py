"""Checks a request's fields against the signature: quick when all is well, and exact about what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from noria.core.errors import RequestInvalid
from noria.core.rows import Rows, Values
from noria.core.schema import Field, Kind, Signature
from noria.core.traffic import Scalar
from noria.stages.serving import wholes
from noria.stages.serving.misfit import Misfit, named

TEXT_LIMIT = 1_000
"""Most characters of one text value."""

FIELD_LIMIT = 20
"""Most wrong fields that one error names."""

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1
_ABSENT = object()


class RequestCheck:
    """Reads rows of one signature. Thread-safe; it keeps nothing of what it reads.

    Args:
        also: Fields that another version wants of the same requests: taken, never required.

    Attributes:
        names: The fields of a row, in the order of its values.
        fields: The same as the signature has them.
    """

    __slots__ = ("_known", "_plan", "fields", "names")

    def __init__(self, signature: Signature, *, also: Iterable[Field] = ()) -> None:
        own = {field.name: (field.name, _reader(field), field.required) for field in signature.inputs}
        others = {field.name: (field.name, _reader(field), False) for field in also if field.name not in own}
        self._plan = (*own.values(), *others.values())
        self._known = frozenset(own) | frozenset(others)
        self.names = tuple(name for name, _, _ in self._plan)
        self.fields = (*signature.inputs, *(replace(field, required=False) for field in also if field.name not in own))

    def row(self, inputs: object) -> Values:
        """The values in the order of `names`, numbers as their kind; optional ones that were left out are None.

        Times stay ISO 8601 text. A whole number counts as float, and 3.0 as int; a bool counts as neither.

        Raises:
            RequestInvalid: its `fields` holds every wrong field with its reason.
        """
        if not isinstance(inputs, dict):
            raise RequestInvalid(f"inputs is {named(inputs)}, not an object of fields", fields={"inputs": "must be an object"})
        row: list[Scalar] = []
        seen = 0
        try:
            for name, read, required in self._plan:
                value = inputs.get(name, _ABSENT)
                if value is _ABSENT or value is None:
                    if required:
                        raise Misfit("is missing")
                    seen += value is None
                    row.append(None)
                else:
                    row.append(read(value))
                    seen += 1
        except Misfit:
            raise self._refusal(inputs) from None
        if seen != len(inputs):
            raise self._refusal(inputs)
        return tuple(row)

    def taken(self, rows: Rows) -> list[Values | RequestInvalid]:
        """Rows that another check has read, in the order of `names`; its fields of the same name are of the same kind.

        A row that lacks what is required here is given as the refusal.
        """
        places = {name: place for place, name in enumerate(rows.names)}
        wanted = [(name, places.get(name, -1), required) for name, _, required in self._plan]
        return [self._moved(row, wanted) for row in rows.values]

    @staticmethod
    def _moved(row: Values, wanted: Sequence[tuple[str, int, bool]]) -> Values | RequestInvalid:
        moved = tuple(row[place] if place >= 0 else None for _, place, _ in wanted)
        missing = {name: "is missing" for value, (name, _, required) in zip(moved, wanted, strict=True) if required and value is None}
        if missing:
            return RequestInvalid("; ".join(f"{name} is missing" for name in list(missing)[:FIELD_LIMIT]), fields=missing)
        return moved

    def _refusal(self, inputs: Mapping[object, object]) -> RequestInvalid:
        wrong = {name: reason for name, read, required in self._plan if (reason := _reason(inputs.get(name, _ABSENT), read, required))}
        for name in inputs:
            if name not in self._known:
                wrong[str(name)[:100]] = self._unknown(str(name))
        listed = dict(list(wrong.items())[:FIELD_LIMIT])
        left_out = f" and {len(wrong) - FIELD_LIMIT} more" if len(wrong) > FIELD_LIMIT else ""
        said = "; ".join(f"{name} {reason}" for name, reason in listed.items())
        return RequestInvalid(f"{said}{left_out}", fields=listed)

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name[:100], self._known, n=1)
        return f"is not a field; did you mean {near[0]!r}?" if near else "is not a field"


def _reason(value: object, read: Callable[[object], Scalar], required: bool) -> str:
    if value is _ABSENT:
        return "is missing" if required else ""
    if value is None:
        return "must not be null" if required else ""
    try:
        read(value)
    except Misfit as misfit:
        return str(misfit)
    return ""


def _float(value: object) -> float:
    if type(value) is float:
        if value - value != 0.0:
            raise Misfit("must be finite; leave an unknown value out")
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Misfit("is too large a number") from None
    raise Misfit(f"must be a number, not {named(value)}")


def _int(value: object) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int:
        if INT_LOW <= value <= INT_HIGH:
            return value
        raise Misfit("is too large a whole number")
    if type(value) is float:
        raise Misfit("must be a whole number" if value - value == 0.0 else "must be finite; leave an unknown value out")
    raise Misfit(f"must be a whole number, not {named(value)}")


def _bool(value: object) -> bool:
    if type(value) is bool:
        return value
    raise Misfit(f"must be true or false, not {named(value)}")


def _text(value: object) -> str:
    if type(value) is not str:
        raise Misfit(f"must be text, not {named(value)}")
    if len(value) > TEXT_LIMIT:
        raise Misfit(f"has {len(value):,} characters; at most {TEXT_LIMIT:,} are taken")
    return value


def _time(value: object) -> str:
    if type(value) is not str:
        raise Misfit(f"must be a time such as '2026-03-01T12:30:00Z', not {named(value)}")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise Misfit(f"is not a time: {value[:40]!r}; write it as ISO 8601, such as '2026-03-01T12:30:00Z'") from None
    return value


def _reader(field: Field) -> Callable[[object], Any]:
    return wholes.reader(field) if field.kind.whole else _READERS[field.kind]


_READERS: dict[Kind, Callable[[object], Scalar]] = {
    Kind.FLOAT: _float,
    Kind.INT: _int,
    Kind.BOOL: _bool,
    Kind.TEXT: _text,
    Kind.TIME: _time,
}
