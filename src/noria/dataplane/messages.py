"""What the data plane and a challenger's process say to each other: MessagePack behind a four-byte length."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from noria.core.rows import Values
from noria.core.traffic import Scalar

_LENGTH = struct.Struct("<I")


class Question(msgspec.Struct, array_like=True):
    """Rows to compute; after `deadline_s` of the machine's monotonic clock nobody waits for them any more."""

    number: int
    names: Sequence[str]
    rows: Sequence[Values]
    now_ms: int
    timeout_ms: float
    deadline_s: float


class Reply(msgspec.Struct, array_like=True):
    """The answers to one question, or `error`."""

    number: int
    answers: Sequence[float | tuple[float, ...] | None] = []
    served: Mapping[str, Sequence[Any]] = {}
    error: str = ""


def packed(message: Question | Reply) -> bytes:
    """A message as it goes over the socket."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Cuts what a socket gives into message bodies."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are whole now."""
        held = self._held + data if self._held else data
        at = 0
        while len(held) - at >= _LENGTH.size:
            end = at + _LENGTH.size + _LENGTH.unpack_from(held, at)[0]
            if end > len(held):
                break
            yield held[at + _LENGTH.size : end]
            at = end
        self._held = held[at:]


def _plain(value: object) -> Scalar:
    item = getattr(value, "item", None)
    if item is None:
        raise NotImplementedError(f"a {type(value).__name__} cannot be sent")
    return item()


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
question = msgspec.msgpack.Decoder(Question).decode
reply = msgspec.msgpack.Decoder(Reply).decode
