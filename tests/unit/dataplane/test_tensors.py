"""Tensors: what came in is what was sent, and what does not fit says which tensor and why."""

from __future__ import annotations

import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.dataplane.tensors import DATATYPES, raw_of, tensor, tensor_of_raw

NUMBERS = [name for name in DATATYPES if name not in ("BYTES", "BF16")]


@pytest.mark.parametrize("datatype", NUMBERS)
@given(st.data())
def test_numbers_go_through_bytes_and_back(datatype, data) -> None:
    raw = data.draw(st.binary(min_size=0, max_size=64).map(lambda raw: raw[: len(raw) // 8 * 8]))
    if datatype == "BOOL":
        raw = bytes(byte & 1 for byte in raw)
    held = np.frombuffer(raw, DATATYPES[datatype])
    read = tensor_of_raw("x", datatype, [len(held)], raw)
    assert np.array_equal(np.asarray(read.values, DATATYPES[datatype]), held, equal_nan=datatype.startswith("FP"))
    assert tensor_of_raw("x", datatype, [len(held)], raw_of(read)).values == pytest.approx(read.values, nan_ok=True, abs=0)


@given(st.lists(st.binary(max_size=20)))
def test_pieces_go_through_bytes_and_back(pieces) -> None:
    raw = raw_of(tensor("x", "BYTES", [len(pieces)], pieces))
    assert raw == b"".join(struct.pack("<I", len(piece)) + piece for piece in pieces)
    assert tensor_of_raw("x", "BYTES", [len(pieces)], raw).values == pieces


@given(st.lists(st.floats(width=32), max_size=20))
def test_brain_floats_are_rounded_as_numpys_are(values) -> None:
    raw = raw_of(tensor("x", "BF16", [len(values)], values))
    wanted = np.asarray(values, np.float32).astype(ml_dtypes.bfloat16)
    read = tensor_of_raw("x", "BF16", [len(values)], raw).values
    assert np.array_equal(np.asarray(read, np.float32), wanted.astype(np.float32), equal_nan=True)


@given(st.binary(max_size=40), st.integers(0, 5))
def test_bytes_that_are_no_pieces_are_refused(raw, count) -> None:
    try:
        read = tensor_of_raw("x", "BYTES", [count], raw)
    except RequestInvalid as error:
        assert "in four bytes" in error.fields["x"]
    else:
        assert raw_of(read) == raw


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "why"),
    [
        ("FP128", [1], [1.0], "there are BOOL"),
        ("FP32", [], [1.0], "needs a shape"),
        ("FP32", "1", [1.0], "needs a shape"),
        ("FP32", 1, [1.0], "needs a shape"),
        ("FP32", None, [1.0], "needs a shape"),
        ("FP32", [-1], [1.0], "needs a shape"),
        ("FP32", [1.0], [1.0], "needs a shape"),
        ("FP32", [True], [1.0], "needs a shape"),
        ("FP32", [2, 1], [1.0], "has 1 values; its shape [2, 1] wants 2"),
        ("FP32", [1], ["1"], "is FP32 and holds str"),
        ("FP32", [1], [True], "is FP32 and holds bool"),
        ("INT8", [1], [1.5], "is INT8 and holds float"),
        ("INT8", [1], [None], "is INT8 and holds NoneType"),
        ("INT8", [1], [128], "INT8 cannot: it goes from -128 to 127"),
        ("UINT8", [1], [-1], "UINT8 cannot"),
        ("BOOL", [1], [1], "is BOOL and holds int"),
        ("BYTES", [1], [1], "is BYTES and holds int"),
    ],
)
def test_what_does_not_fit_says_why(datatype, shape, values, why) -> None:
    with pytest.raises(RequestInvalid) as caught:
        tensor("x", datatype, shape, values)
    assert why in caught.value.fields["x"]


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_wrong_number_of_bytes_is_refused(size) -> None:
    with pytest.raises(RequestInvalid, match=r"FP32 of shape \[2\] has 8"):
        tensor_of_raw("x", "FP32", [2], bytes(size))


def test_a_bool_is_any_byte_but_zero() -> None:
    assert tensor_of_raw("x", "BOOL", [3], b"\x00\x01\x02").values == [False, True, True]
