"""Reads a usual request of Noria's own protocol in one step: decoded, checked and in order at once.

It takes what most callers send. Whatever it does not take is read again by `validation`, which is
exact about what is wrong and takes a little more: 3.0 for a whole number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from noria.core.rows import Values
from noria.core.schema import Field, Kind
from noria.stages.serving.validation import INT_HIGH, INT_LOW, TEXT_LIMIT

ID_LIMIT = 200
"""Most characters of a request id."""

_MANY, _BEGINNING = b'"rows"', 16
"""What a request of many rows begins with, give or take white space."""

_Text = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT)]
_TYPES: dict[Kind, Any] = {
    Kind.FLOAT: float,
    Kind.INT: Annotated[int, msgspec.Meta(ge=INT_LOW, le=INT_HIGH)],
    Kind.BOOL: bool,
    Kind.TEXT: _Text,
    Kind.TIME: _Text,
}


Read = tuple[str | None, Values]
"""A row's id, if one was given, and its values."""


class Quick:
    """A reader for rows of these fields; thread-safe.

    Args:
        fields: In the order that the values shall have.
        never: Every request must be looked at closely.
    """

    __slots__ = ("_many", "_one", "_times")

    def __init__(self, fields: Sequence[Field], *, never: bool = False) -> None:
        self._times = tuple(place for place, field in enumerate(fields) if field.kind is Kind.TIME)
        known = not never and all(field.kind in _TYPES for field in fields)
        self._one, self._many = _decoders(tuple(fields)) if known else (_never, _never)

    def read(self, body: bytes) -> tuple[list[Read], bool] | None:
        """The rows of a request, and whether it asks for a list; None when it must be looked at closely."""
        try:
            if _MANY in body[:_BEGINNING]:
                return [self._read(asked) for asked in self._many(body).rows], True
            return [self._read(self._one(body))], False
        except (msgspec.MsgspecError, ValueError):
            return None

    def _read(self, asked: Any) -> Read:
        row = msgspec.structs.astuple(asked.inputs)
        for place in self._times:
            if row[place] is not None:
                datetime.fromisoformat(row[place])
        return asked.id, row


@lru_cache(maxsize=512)
def _decoders(fields: tuple[Field, ...]) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """For a request of one row, and for one of many; once for all models with these fields, for making them takes a millisecond."""
    inputs = msgspec.defstruct(
        "inputs",
        [
            (f"f{place}", _TYPES[field.kind]) if field.required else (f"f{place}", _TYPES[field.kind] | None, None)
            for place, field in enumerate(fields)
        ],
        rename={f"f{place}": field.name for place, field in enumerate(fields)},
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )
    one = msgspec.defstruct(
        "one",
        [("inputs", inputs), ("id", Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LIMIT)] | None, None)],
        forbid_unknown_fields=True,
        gc=False,
    )
    many = msgspec.defstruct("many", [("rows", list[one])], forbid_unknown_fields=True)  # type: ignore[valid-type]
    return msgspec.json.Decoder(one).decode, msgspec.json.Decoder(many).decode


def _never(body: bytes) -> Any:
    raise msgspec.ValidationError("a field of another kind")
