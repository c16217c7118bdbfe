"""The quick reader takes a request only when the exact one does, and then both read the same."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.stages.serving.quick import Quick
from noria.stages.serving.validation import RequestCheck

CHECK = RequestCheck(
    Signature(
        inputs=(
            Field(name="scheduled at", kind=Kind.TIME, required=False),
            Field(name="class", kind=Kind.TEXT),
            Field(name="id", kind=Kind.FLOAT),
            Field(name="seats", kind=Kind.INT, required=False),
            Field(name="cargo", kind=Kind.BOOL, required=False),
        ),
        features=(),
        task=Task.BINARY,
    ),
    also=[Field(name="also", kind=Kind.FLOAT)],
)
QUICK = Quick(CHECK.fields)
GOOD = {"class": "UA", "id": 1400.5, "seats": 180, "cargo": True, "scheduled at": "2013-04-01T05:00:00Z"}


def test_a_good_row_is_read_in_the_checks_order() -> None:
    ((given, row),), many = QUICK.read(orjson.dumps({"inputs": GOOD, "id": "mine"}))
    assert (given, many) == ("mine", False)
    assert dict(zip(CHECK.names, row, strict=True)) == GOOD | {"also": None}
    assert QUICK.read(orjson.dumps({"inputs": GOOD}))[0][0][0] is None


def test_many_rows_are_read_in_their_order() -> None:
    rows, many = QUICK.read(orjson.dumps({"rows": [{"inputs": GOOD | {"id": float(n)}, "id": f"r{n}"} for n in range(3)]}))
    assert many
    assert [(given, row[CHECK.names.index("id")]) for given, row in rows] == [("r0", 0.0), ("r1", 1.0), ("r2", 2.0)]
    assert QUICK.read(b'{"rows": []}') == ([], True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"inputs": {}}',
        b'{"inputs": {"class": "UA"}}',
        b'{"inputs": {"class": "UA", "id": 1e999}}',
        b'{"inputs": {"class": "UA", "id": NaN}}',
        b'{"inputs": {"class": "\xff", "id": 1}}',
        b'{"inputs": {"class": "\\ud800", "id": 1}}',
        b'{"inputs": {"class": "UA", "id": 1}, "id": ""}',
        b'{"inputs": {"class": "UA", "id": 1}, "more": 1}',
        b'{"rows": [{"inputs": {"class": "UA", "id": 1}}, {"inputs": {}}]}',
        b'{"rows": [{"inputs": {"class": "UA", "id": 1}}], "more": 1}',
        b'{"rows": {"inputs": {"class": "UA", "id": 1}}}',
    ],
)
def test_anything_else_is_left_to_be_looked_at_closely(body) -> None:
    assert QUICK.read(body) is None


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.just("2013-04-01")
)


@settings(max_examples=300, deadline=None)
@given(inputs=st.fixed_dictionaries({}, optional=dict.fromkeys([*CHECK.names, "other"], scalars)) | st.just(GOOD))
def test_what_it_takes_is_what_the_exact_check_reads(inputs) -> None:
    read = QUICK.read(orjson.dumps({"inputs": inputs}))
    if read is None:
        return
    try:
        exact = CHECK.row(orjson.loads(orjson.dumps(inputs)))
    except RequestInvalid as refused:
        raise AssertionError(f"taken, though {refused.message}") from refused
    ((_, row),), _ = read
    assert row == exact
    assert [type(value) for value in row] == [type(value) for value in exact]
