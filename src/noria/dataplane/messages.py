"""What the data plane and a challenger's process say to each other: MessagePack behind a four-byte length."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

_LENGTH = struct.Struct("<I")
_ARRAY = 1
"""Of MessagePack's extension types: an array with its type and shape."""


class Question(msgspec.Struct, array_like=True):
    """Rows to compute; after `deadline_s` of the machine's monotonic clock nobody waits for them any more."""

    number: int
    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
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


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray):
        head = f"{value.dtype.str}:{','.join(map(str, value.shape))}|".encode()
        return msgspec.msgpack.Ext(_ARRAY, head + value.tobytes())
    item = getattr(value, "item", None)
    if item is None:
        raise NotImplementedError(f"a {type(value).__name__} cannot be sent")
    return item()


def _whole(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise NotImplementedError(f"a message holds an extension {code}")
    head, _, content = bytes(data).partition(b"|")
    dtype, _, shape = head.decode().partition(":")
    return np.frombuffer(content, dtype=dtype).reshape([int(size) for size in shape.split(",") if size])


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
question = msgspec.msgpack.Decoder(Question, ext_hook=_whole).decode
reply = msgspec.msgpack.Decoder(Reply, ext_hook=_whole).decode
