"""Cells of a text table as the values that a signature wants of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from noria.core.schema import Kind, Signature
from noria.stages.serving.forms import Inputs, of_lists

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def of_texts(signature: Signature, rows: Sequence[Sequence[str]], *, columns: Sequence[str] | None = None) -> list[Inputs]:
    """Rows whose values are all text: each becomes what its field is, if it can be read so, and stays text if it can't.

    Nothing is a missing value; so are "NA", "nan", "null" and "none" where the field is no text.

    Raises:
        RequestInvalid: see `of_lists`.
    """
    readers = {field.name: _READERS.get(field.kind, _text) for field in signature.inputs}
    return [{name: readers.get(name, _text)(cell) for name, cell in row.items()} for row in of_lists(signature, rows, columns=columns)]


def _text(cell: str) -> Any:
    return cell or None


def _time(cell: str) -> Any:
    return None if cell.strip().lower() in _MISSING else cell


def _bool(cell: str) -> Any:
    plain = cell.strip().lower()
    return None if plain in _MISSING else _TRUTH.get(plain, cell)


def _int(cell: str) -> Any:
    plain = cell.strip()
    return int(plain) if len(plain) < 20 and plain.lstrip("+-").isdecimal() and plain.isascii() else _float(cell)


def _float(cell: str) -> Any:
    if cell.strip().lower() in _MISSING:
        return None
    try:
        return float(cell) if "_" not in cell else cell
    except ValueError:
        return cell


_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: _text,
    Kind.TIME: _time,
    Kind.BOOL: _bool,
    Kind.INT: _int,
    Kind.FLOAT: _float,
}
