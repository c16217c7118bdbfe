"""What the data plane and a model's own process say to each other: MessagePack behind a four-byte length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from noria.dataplane.framing import framed

_ARRAY = 1
"""Of MessagePack's extension types: an array with its type and shape."""


class Question(msgspec.Struct, array_like=True, tag="question"):
    """Rows to compute; after `deadline_s` of the machine's monotonic clock nobody waits for them any more."""

    number: int
    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    now_ms: int
    timeout_ms: float
    deadline_s: float


class Reply(msgspec.Struct, array_like=True, tag="reply"):
    """The answers to one question, or `error`."""

    number: int
    answers: Sequence[float | tuple[float, ...] | None] = []
    served: Mapping[str, Sequence[Any]] = {}
    error: str = ""


class Begin(msgspec.Struct, array_like=True, tag="begin"):
    """A row whose answer shall come in pieces."""

    number: int
    names: Sequence[str]
    row: Sequence[Any]
    now_ms: int


class More(msgspec.Struct, array_like=True, tag="more"):
    """So many pieces of a stream were taken, and as many more may come."""

    number: int
    pieces: int


class Stop(msgspec.Struct, array_like=True, tag="stop"):
    """Nobody wants more of a stream."""

    number: int


class Begun(msgspec.Struct, array_like=True, tag="begun"):
    """Pieces will come; or they won't, because the version gives its answers whole, or for the reason in `error`."""

    number: int
    streams: bool
    error: str = ""


class Piece(msgspec.Struct, array_like=True, tag="piece"):
    """One piece of a stream, as JSON."""

    number: int
    body: bytes


class Over(msgspec.Struct, array_like=True, tag="over"):
    """The end of a stream: why it failed, or "", and the number that the generator returned."""

    number: int
    error: str = ""
    value: float | None = None


Asked = Question | Begin | More | Stop
"""What the data plane says."""

Told = Reply | Begun | Piece | Over
"""What a model's process says."""


def packed(message: Asked | Told) -> bytes:
    """A message as it goes over the socket."""
    return framed(_encoder.encode(message))


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
asked: Callable[[bytes], Asked] = msgspec.msgpack.Decoder(Asked, ext_hook=_whole).decode
told: Callable[[bytes], Told] = msgspec.msgpack.Decoder(Told, ext_hook=_whole).decode
