"""How values of the ring become bytes at a socket, and come back with their types.

JSON with `NaN` and `Infinity` kept (metrics need them), so Python's own reader and writer
handle the text and msgspec the types. Unknown fields are ignored, missing ones take their
defaults: an older or newer Noria still opens the record.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from noria.core.errors import DataInvalid

T = TypeVar("T")


def dump(value: Any) -> bytes:
    """Write any value of `noria.core` (or plain JSON types) as JSON text."""
    return json.dumps(msgspec.to_builtins(value, enc_hook=_scalar), separators=(",", ":"), ensure_ascii=False).encode()


def load(data: bytes | str, kind: type[T]) -> T:
    """Read what `dump` wrote.

    Raises:
        DataInvalid: the text is not JSON, or does not fit `kind`.
    """
    try:
        return msgspec.convert(json.loads(data), kind)
    except (ValueError, msgspec.ValidationError) as error:
        raise DataInvalid(f"a stored {getattr(kind, '__name__', kind)} cannot be read: {error}") from error


def plain(value: Any) -> Any:
    """The value as plain JSON types, NaN and infinities as None: for pages and other languages."""
    return _finite(msgspec.to_builtins(value, enc_hook=_scalar))


def _scalar(value: Any) -> Any:
    """A number of another library (they have `item`) as Python's own."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be stored as JSON")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
