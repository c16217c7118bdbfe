"""Arrays and files in requests: read with limits, and kept in the log small or by their digest.

A value is an array in a row: of the field's own type and shape for a tensor, of bytes for a file.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from math import prod

import numpy as np

from noria.core.ids import digest_of
from noria.core.schema import Field, Kind
from noria.stages.serving.misfit import Misfit, named

LIMIT_BYTES = 32 << 20
"""Of one array or file of a request."""

KEPT_BYTES = 1 << 10
"""Larger ones are kept in the log by digest and shape alone."""

ENCODED = ("b64", "image")
"""How JSON carries bytes inside an object: {"b64": "…"}, as TensorFlow Serving and KServe write it, or {"image": "…"}."""


def reader(field: Field) -> Callable[[object], np.ndarray]:
    """How a value of a TENSOR or BYTES field is read.

    The reader raises `Misfit` for what does not fit.
    """
    if field.kind is Kind.BYTES:
        return _bytes
    dtype = np.dtype(field.dtype or "float64")
    return lambda value: _tensor(value, dtype, field.shape)


def kept(array: np.ndarray) -> str:
    """An array or file as one text of the log: itself while it is small, else its digest, type and shape."""
    if array.nbytes > KEPT_BYTES:
        return f"{digest_of(array.tobytes())} {array.dtype}[{','.join(map(str, array.shape))}]"
    if array.dtype == np.uint8 and array.ndim == 1:
        return f"base64:{base64.b64encode(array.tobytes()).decode()}"
    return json.dumps(array.tolist(), separators=(",", ":"))


def _bytes(value: object) -> np.ndarray:
    if isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
    elif isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ENCODED:
        content = _decoded(next(iter(value.values())))
    else:
        content = _decoded(value)
    if len(content) > LIMIT_BYTES:
        raise Misfit(f"has {len(content):,} bytes; at most {LIMIT_BYTES:,} are taken")
    return np.frombuffer(content, dtype=np.uint8)


def _decoded(value: object) -> bytes:
    if type(value) is not str:
        raise Misfit(f"must be bytes as base64 text, not {named(value)}")
    if len(value) > LIMIT_BYTES * 4 // 3 + 4:
        raise Misfit(f"has more than {LIMIT_BYTES:,} bytes")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Misfit(f"is not base64: {str(error)[:80]}") from None


def _tensor(value: object, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ENCODED:
        from noria.stages.serving.images import pixels

        array = pixels(_decoded(next(iter(value.values()))), shape)
    else:
        array = _array(value)
    if array.size * dtype.itemsize > LIMIT_BYTES:
        raise Misfit(f"has {array.size * dtype.itemsize:,} bytes as {dtype}; at most {LIMIT_BYTES:,} are taken")
    if array.ndim != len(shape) or any(want not in (-1, size) for want, size in zip(shape, array.shape, strict=True)):
        raise Misfit(f"has shape {list(array.shape)}; it must be {_wanted(shape)}")
    return _as(array, dtype)


def _array(value: object) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    if type(value) not in (list, int, float, bool):
        raise Misfit(f"must be an array of numbers (nested lists), not {named(value)}")
    try:
        array = np.array(value)
    except (ValueError, OverflowError, RecursionError):
        raise Misfit("is ragged: lists of one level must be of one length") from None
    if array.dtype.kind not in "biuf" and array.size:
        raise Misfit("holds what is no number; text, null and numbers beyond 64 bits have no place in an array")
    return array


def _as(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in its field's own type, without a number that changes on the way."""
    if array.dtype == dtype or not array.size:
        cast = array.astype(dtype, copy=False)
    elif dtype.kind == "b" or array.dtype.kind == "b":
        raise Misfit(f"holds {_words(array.dtype)}; it must hold {_words(dtype)}")
    else:
        with np.errstate(all="ignore"):
            cast = array.astype(dtype)
        if dtype.kind in "iu" and not np.array_equal(cast, array):
            raise Misfit(f"holds a number that {dtype} cannot: whole ones from {np.iinfo(dtype).min} to {np.iinfo(dtype).max}")
    if dtype.kind == "f" and not np.isfinite(cast).all():
        raise Misfit(f"must be finite throughout; {dtype} holds no larger number than {np.finfo(dtype).max:.3g}")
    return np.asarray(cast, order="C")


def _words(dtype: np.dtype) -> str:
    return "true and false" if dtype.kind == "b" else "numbers"


def _wanted(shape: tuple[int, ...]) -> str:
    said = "[" + ", ".join("any" if size < 0 else str(size) for size in shape) + "]"
    return said if prod(shape) or not shape else f"{said}, which is empty"
