"""Named, typed, shaped values as the Open Inference Protocol carries them, over REST and gRPC alike."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from noria.core.errors import RequestInvalid

BYTES, BOOL, BF16 = "BYTES", "BOOL", "BF16"

DATATYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BF16": np.dtype("<u2"),
    "BYTES": np.dtype("O"),
}
"""Datatype to how its elements lie in memory, little-endian; BF16 is the upper half of a float32, BYTES has no fixed size."""

_LENGTH = struct.Struct("<I")
_HALF = 0x7FFF
_PYTHON: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float, type(None)}, "O": {str, bytes}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One input or output of a call.

    Attributes:
        shape: The first is the number of rows.
        values: Flat, row by row: bools, ints, floats (None = missing), or text and bytes.
        content_type: How BYTES are meant, after MLServer: "str", "base64", "datetime", …; "" = as they are.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]
    content_type: str = ""


def tensor(name: str, datatype: str, shape: Iterable[object], values: Iterable[Any], *, content_type: str = "") -> Tensor:
    """A tensor of values that came as such, checked.

    Raises:
        RequestInvalid: the datatype is unknown, or shape, values and datatype do not fit each other.
    """
    measured, held = checked_shape(name, datatype, shape), list(values)
    if len(held) != prod(measured):
        raise misfit(name, f"has {len(held):,} values; its shape {list(measured)} wants {prod(measured):,}")
    _fit(name, datatype, held)
    return Tensor(name=name, datatype=datatype, shape=measured, values=held, content_type=content_type)


def tensor_of_raw(name: str, datatype: str, shape: Iterable[object], raw: bytes | memoryview, *, content_type: str = "") -> Tensor:
    """A tensor of bytes: little-endian, row by row; each of BYTES behind its length in four bytes.

    Raises:
        RequestInvalid: the datatype is unknown, or there are more or fewer bytes than its shape wants.
    """
    measured = checked_shape(name, datatype, shape)
    values = _cut(name, prod(measured), raw) if datatype == BYTES else _read(name, datatype, measured, raw)
    return Tensor(name=name, datatype=datatype, shape=measured, values=values, content_type=content_type)


def raw_of(tensor: Tensor) -> bytes:
    """The bytes of a tensor, as `tensor_of_raw` reads them."""
    if tensor.datatype == BYTES:
        pieces = [value.encode() if isinstance(value, str) else value for value in tensor.values]
        return b"".join(part for piece in pieces for part in (_LENGTH.pack(len(piece)), piece))
    if tensor.datatype == BF16:
        bits = np.asarray(tensor.values, dtype="<f4").view("<u4")
        rounded = (bits + _HALF + ((bits >> 16) & 1)) >> 16
        return np.where(np.isnan(bits.view("<f4")), 0x7FC0, rounded).astype("<u2").tobytes()
    return np.asarray(tensor.values, dtype=DATATYPES[tensor.datatype]).tobytes()


def checked_shape(name: str, datatype: str, shape: Iterable[object]) -> tuple[int, ...]:
    """A shape of whole numbers from 0 on, with rows as its first.

    Raises:
        RequestInvalid: it is something else, or the datatype is unknown.
    """
    if datatype not in DATATYPES:
        raise misfit(name, f"has datatype {str(datatype)[:20]!r}; there are {', '.join(DATATYPES)}")
    measured = tuple(shape) if isinstance(shape, (list, tuple)) or hasattr(shape, "__iter__") else ()
    if not measured or not all(type(size) is int and size >= 0 for size in measured):
        raise misfit(name, "needs a shape such as [1] or [8, 1]: whole numbers, the first of them how many rows")
    return measured


def misfit(name: str, why: str) -> RequestInvalid:
    """What is wrong with one tensor."""
    return RequestInvalid(f"tensor {name[:100]!r} {why}", fields={name[:100]: why})


def _fit(name: str, datatype: str, values: Sequence[Any]) -> None:
    kinds, wanted = set(map(type, values)), _PYTHON["f" if datatype == BF16 else DATATYPES[datatype].kind]
    if strange := kinds - wanted:
        raise misfit(name, f"is {datatype} and holds {', '.join(sorted(kind.__name__ for kind in strange))}")
    if DATATYPES[datatype].kind in "ui" and datatype != BF16 and values:
        limits = np.iinfo(str(DATATYPES[datatype]))
        if min(values) < limits.min or max(values) > limits.max:
            raise misfit(name, f"holds a number that {datatype} cannot: it goes from {limits.min} to {limits.max}")


def _read(name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> list[Any]:
    size = prod(shape) * DATATYPES[datatype].itemsize
    if len(raw) != size:
        raise misfit(name, f"has {len(raw):,} bytes; {datatype} of shape {list(shape)} has {size:,}")
    held = np.frombuffer(raw, dtype=DATATYPES[datatype])
    if datatype == BF16:
        held = (held.astype("<u4") << 16).view("<f4")
    if datatype == BOOL:
        held = np.frombuffer(raw, dtype=np.uint8) != 0
    return held.tolist()


def _cut(name: str, count: int, raw: bytes | memoryview) -> list[Any]:
    view, at = memoryview(raw), 0
    pieces: list[Any] = []
    while at < len(view):
        begin = at + _LENGTH.size
        end = begin + (_LENGTH.unpack_from(view, at)[0] if begin <= len(view) else 0)
        if end > len(view) or len(pieces) == count:
            break
        pieces.append(bytes(view[begin:end]))
        at = end
    if at != len(view) or len(pieces) != count:
        raise misfit(name, f"is no list of {count:,} pieces, each behind its length in four bytes")
    return pieces
