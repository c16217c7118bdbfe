"""Messages on a stream socket: each behind its length in four bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LENGTH = struct.Struct("<I")


def framed(body: bytes) -> bytes:
    """A message as it goes over the socket."""
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Cuts what a socket gives into message bodies."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are whole now."""
        held = self._held
        held += data
        at = 0
        while len(held) - at >= _LENGTH.size:
            start = at + _LENGTH.size
            end = start + _LENGTH.unpack_from(held, at)[0]
            if end > len(held):
                break
            at = end
            yield bytes(memoryview(held)[start:end])
        if at:
            del held[:at]
