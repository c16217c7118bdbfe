"""Arrays and files in requests: what is taken, what is refused and how, and what the log keeps of them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.core.ids import digest_of
from noria.core.schema import Field, Kind, Signature, Task
from noria.stages.serving import wholes
from noria.stages.serving.frames import Predictions, decode, encode
from noria.stages.serving.log_tables import predictions_table
from noria.stages.serving.misfit import Misfit
from noria.stages.serving.validation import RequestCheck


def tensor(dtype: str, *shape: int) -> Field:
    return Field(name="t", kind=Kind.TENSOR, dtype=dtype, shape=shape)


FILE = Field(name="f", kind=Kind.BYTES)


def read(field: Field, value: object) -> np.ndarray:
    return wholes.reader(field)(value)


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        (tensor("float32", 2, 2), [[1, 2.5], [3, 4]], [[1, 2.5], [3, 4]]),
        (tensor("float64", -1), [], []),
        (tensor("float64"), 3, 3),
        (tensor("int64", 2), [1, 2.0], [1, 2]),
        (tensor("uint8", -1, 2), [[0, 255]], [[0, 255]]),
        (tensor("bool", 2), [True, False], [True, False]),
    ],
)
def test_nested_lists_become_arrays_of_the_fields_own_type(field, value, wanted) -> None:
    array = read(field, value)
    assert array.dtype == field.dtype
    assert array.tolist() == wanted


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (tensor("float32", 2), [1, 2, 3], r"shape \[3\]; it must be \[2\]"),
        (tensor("float32", -1, 3), [1, 2, 3], r"it must be \[any, 3\]"),
        (tensor("float32", 2, 2), [[1, 2], [3]], "ragged"),
        (tensor("float32", 2), ["1", "2"], "no number"),
        (tensor("float32", 2), [1, None], "no number"),
        (tensor("float32", 1), [1e39], "finite"),
        (tensor("float32", 1), np.array([np.nan], dtype=np.float32), "finite"),
        (tensor("int8", 1), [200], "from -128 to 127"),
        (tensor("int64", 1), [1.5], "whole ones"),
        (tensor("int64", 1), [2**70], "no number"),
        (tensor("bool", 1), [1], "true and false"),
        (tensor("float32", 1), [True], "must hold numbers"),
        (tensor("float32", 1), "AAAA", "not text"),
        (tensor("float32", 1), {"a": 1}, "not an object"),
        (FILE, 3, "base64 text, not a number"),
        (FILE, "not base64!", "not base64"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(field, value, reason) -> None:
    with pytest.raises(Misfit, match=reason):
        read(field, value)


def test_large_values_are_refused_before_they_are_copied(monkeypatch) -> None:
    monkeypatch.setattr(wholes, "LIMIT_BYTES", 100)
    with pytest.raises(Misfit, match="bytes"):
        read(FILE, base64.b64encode(bytes(101)).decode())
    with pytest.raises(Misfit, match="104 bytes as float64"):
        read(tensor("float64", -1), [0.0] * 13)


@pytest.mark.parametrize("value", ["AAEC", {"b64": "AAEC"}, b"\x00\x01\x02"], ids=type)
def test_bytes_come_as_base64_or_as_they_are(value) -> None:
    assert read(FILE, value).tobytes() == b"\x00\x01\x02"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3), lambda one: st.lists(one, max_size=3)))
def test_anything_is_read_or_refused_and_never_crashes(value) -> None:
    for field in (tensor("float32", -1), tensor("int16", -1, -1), tensor("bool", -1), FILE):
        try:
            read(field, value)
        except Misfit as misfit:
            assert str(misfit)


def test_the_error_of_a_request_names_field_and_reason() -> None:
    fields = (tensor("float32", 2), FILE)
    check = RequestCheck(Signature(inputs=fields, features=fields, task=Task.REGRESSION))
    with pytest.raises(RequestInvalid) as caught:
        check.row({"t": [1.0], "f": "?"})
    assert caught.value.fields["t"] == "has shape [1]; it must be [2]"
    assert "base64" in caught.value.fields["f"]


def test_the_log_keeps_small_arrays_and_the_digest_of_large_ones() -> None:
    small, large = np.array([[1.0, 2.0]], dtype=np.float32), np.zeros((3, 400), dtype=np.float32)
    file = np.frombuffer(b"\x00\x01", dtype=np.uint8)
    columns = {"a": [small], "b": [large], "c": [file]}
    frame = Predictions("d", 1, ["r"], ["champion"], [0], [""], columns, {}, [(0.1, 0.2)], [1], [""])
    content = encode(frame)
    assert len(content) < 400
    table = predictions_table([decode(content)])
    assert table["in:a"].to_list() == ["[[1.0,2.0]]"]
    assert table["in:b"].to_list() == [f"{digest_of(large.tobytes())} float32[3,400]"]
    assert table["in:c"].to_list() == ["base64:AAE="]


def picture(mode: str, size: tuple[int, int], form: str = "PNG") -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.new(mode, size, 7 if mode == "L" else (1, 2, 3)).save(out, form)
    return base64.b64encode(out.getvalue()).decode()


def test_pictures_become_the_array_that_the_field_wants() -> None:
    pytest.importorskip("PIL")
    last = read(tensor("uint8", 4, 5, 3), {"image": picture("RGB", (5, 4))})
    assert last[0, 0].tolist() == [1, 2, 3]
    first = read(tensor("float32", 3, -1, -1), {"b64": picture("RGB", (5, 4))})
    assert first.shape == (3, 4, 5) and first[:, 0, 0].tolist() == [1.0, 2.0, 3.0]
    assert read(tensor("uint8", -1, -1), {"image": picture("L", (5, 4), "JPEG")}).shape == (4, 5)
    assert read(tensor("uint8", -1, -1, 1), {"image": picture("L", (5, 4))}).shape == (4, 5, 1)


def test_pictures_that_are_too_large_or_none_are_refused() -> None:
    pytest.importorskip("PIL")
    with pytest.raises(Misfit, match="at most 16,000,000"):
        read(tensor("uint8", -1, -1), {"image": picture("L", (4001, 4000))})
    with pytest.raises(Misfit, match="no PNG or JPEG"):
        read(tensor("uint8", -1, -1), {"image": base64.b64encode(b"GIF89a nothing").decode()})
    with pytest.raises(Misfit, match="no PNG or JPEG"):
        read(tensor("uint8", -1, -1), {"image": picture("L", (50, 40), "BMP")})
    with pytest.raises(Misfit, match=r"shape \[4, 5, 3\]"):
        read(tensor("uint8", 9, 9, 3), {"image": picture("RGB", (5, 4))})
