"""Reads Universal Binary JSON, the form in which XGBoost keeps its models: bounded in depth and size, never beyond the bytes there are."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected

DEPTH_LIMIT = 32
_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_WHOLE = (b"i", b"U", b"I", b"l", b"L")
_WORDS = {b"T": True, b"F": False, b"Z": None}


def loads(content: bytes) -> Any:
    """The value; arrays of one type of number come as NumPy arrays.

    Raises:
        ArtifactRejected: it is damaged, cut off, too deep, or says that it holds more than there are bytes.
    """
    reader = _Reader(content)
    try:
        value = reader.value(reader.take(1), 0)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise ArtifactRejected(f"the binary JSON is damaged: {error}", fix="copy the file again") from error
    if reader.at != len(content):
        raise ArtifactRejected("the binary JSON goes on after its end", fix="copy the file again")
    return value


class _Reader:
    """A place in the bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.content):
            raise ArtifactRejected("the binary JSON is cut off", fix="copy the file again")
        self.at += size
        return self.content[self.at - size : self.at]

    def value(self, kind: bytes, depth: int) -> Any:
        if depth > DEPTH_LIMIT:
            raise ArtifactRejected(f"the binary JSON is more than {DEPTH_LIMIT} levels deep")
        if kind in _NUMBERS:
            return self._numbers(kind, 1)[0].item()
        if kind in _WORDS:
            return _WORDS[kind]
        if kind == b"C":
            return self.take(1).decode("ascii")
        if kind == b"S":
            return self._text()
        if kind == b"[":
            return self._array(depth)
        if kind == b"{":
            return self._object(depth)
        raise ArtifactRejected(f"the binary JSON has something of an unknown kind, {kind!r}", fix="copy the file again")

    def _numbers(self, kind: bytes, count: int) -> np.ndarray:
        form = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self.take(count * form.itemsize), dtype=form).astype(form.newbyteorder("="))

    def _size(self) -> int:
        kind = self.take(1)
        if kind not in _WHOLE:
            raise ArtifactRejected("the binary JSON gives a size that is no whole number", fix="copy the file again")
        return int(self._numbers(kind, 1)[0])

    def _text(self) -> str:
        return self.take(self._size()).decode()

    def _head(self) -> tuple[bytes, int | None]:
        """The type that all elements have (b"" = each says its own), and their number (None = until the end is marked)."""
        kind = b""
        if self._next() == b"$":
            self.take(1)
            kind = self.take(1)
        if self._next() != b"#":
            if kind:
                raise ArtifactRejected("the binary JSON has a list of one type and no length", fix="copy the file again")
            return kind, None
        self.take(1)
        count = self._size()
        if not 0 <= count <= len(self.content):
            raise ArtifactRejected("the binary JSON says that it holds more than there is", fix="copy the file again")
        return kind, count

    def _next(self) -> bytes:
        return self.content[self.at : self.at + 1]

    def _array(self, depth: int) -> Any:
        kind, count = self._head()
        if kind in _NUMBERS and count is not None:
            return self._numbers(kind, count)
        found: list[Any] = []
        while count is None or len(found) < count:
            own = kind or self.take(1)
            if count is None and own == b"]":
                break
            found.append(self.value(own, depth + 1))
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._head()
        found: dict[str, Any] = {}
        left = count
        while left is None or left:
            if left is None and self._next() == b"}":
                self.take(1)
                break
            name = self._text()
            found[name] = self.value(kind or self.take(1), depth + 1)
            left = None if left is None else left - 1
        return found
