"""Rows as they arrive, checked: which one is wrong, and what about it."""

from __future__ import annotations

from collections.abc import Sequence

from noria.core.errors import RequestInvalid
from noria.core.rows import Values
from noria.stages.serving.quick import ID_LIMIT
from noria.stages.serving.validation import RequestCheck

Item = tuple[str | None, object]
"""A row as it arrives: its id, if the caller gave one, and its fields."""


def checked(check: RequestCheck, items: Sequence[Item]) -> list[Values]:
    """The rows' values in order.

    Raises:
        RequestInvalid: a row does not fit; of several, its place is named.
    """
    rows: list[Values] = []
    for place, (given, inputs) in enumerate(items):
        try:
            if given is not None:
                checked_id(given)
            rows.append(check.row(inputs))
        except RequestInvalid as error:
            if len(items) == 1:
                raise
            fields = {f"rows[{place}].{name}": why for name, why in error.fields.items()}
            raise RequestInvalid(f"row {place}: {error.message}", fields=fields) from None
    return rows


def checked_id(given: object) -> str:
    """A request's id as a caller may give it.

    Raises:
        RequestInvalid: it is no text, or empty, or too long.
    """
    if isinstance(given, str) and 0 < len(given) <= ID_LIMIT:
        return given
    raise RequestInvalid(f"an id is text of 1 to {ID_LIMIT} characters", fields={"id": f"must be text of 1 to {ID_LIMIT} characters"})
