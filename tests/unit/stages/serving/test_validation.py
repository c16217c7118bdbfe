"""A request that fits passes as it is; one that does not hears of every wrong field."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.stages.serving.validation import FIELD_LIMIT, RequestCheck

CHECK = RequestCheck(
    Signature(
        inputs=(
            Field(name="carrier", kind=Kind.TEXT),
            Field(name="distance", kind=Kind.FLOAT),
            Field(name="seats", kind=Kind.INT, required=False),
            Field(name="cargo", kind=Kind.BOOL, required=False),
            Field(name="scheduled_at", kind=Kind.TIME, required=False),
        ),
        features=(),
        task=Task.BINARY,
    )
)
GOOD = {"carrier": "UA", "distance": 1400.5, "seats": 180, "cargo": True, "scheduled_at": "2013-04-01T05:00:00Z"}


def reasons(**changes: object) -> dict[str, str]:
    with pytest.raises(RequestInvalid) as refused:
        CHECK.row(GOOD | changes)
    return refused.value.fields


def test_a_good_row_comes_back_in_the_signatures_order() -> None:
    assert CHECK.row(dict(reversed(GOOD.items()))) == tuple(GOOD.values())
    assert CHECK.names == tuple(GOOD)


def test_numbers_come_back_as_their_kind() -> None:
    row = dict(zip(CHECK.names, CHECK.row(GOOD | {"distance": 1400, "seats": 180.0}), strict=True))
    assert (row["distance"], type(row["distance"]), row["seats"], type(row["seats"])) == (1400.0, float, 180, int)


def test_optional_fields_that_are_left_out_or_null_are_none() -> None:
    assert CHECK.row({"carrier": "UA", "distance": 1.0, "seats": None}) == ("UA", 1.0, None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("carrier", 7, "must be text, not a number"),
        ("carrier", None, "must not be null"),
        ("carrier", "x" * 1_001, "has 1,001 characters; at most 1,000 are taken"),
        ("distance", "far", "must be a number, not text"),
        ("distance", True, "must be a number, not a bool"),
        ("distance", math.nan, "must be finite; leave an unknown value out"),
        ("distance", -math.inf, "must be finite; leave an unknown value out"),
        ("distance", 10**400, "is too large a number"),
        ("distance", [1], "must be a number, not a list"),
        ("seats", True, "must be a whole number, not a bool"),
        ("seats", 1.5, "must be a whole number"),
        ("seats", math.nan, "must be finite; leave an unknown value out"),
        ("seats", 2**63, "is too large a whole number"),
        ("seats", "1", "must be a whole number, not text"),
        ("cargo", 1, "must be true or false, not a number"),
        ("scheduled_at", 12, "must be a time such as '2026-03-01T12:30:00Z', not a number"),
        ("scheduled_at", "noon", "is not a time: 'noon'; write it as ISO 8601, such as '2026-03-01T12:30:00Z'"),
        ("carier", "UA", "is not a field; did you mean 'carrier'?"),
        ("zzz", 1, "is not a field"),
    ],
)
def test_what_is_wrong_is_said(field, value, reason) -> None:
    assert reasons(**{field: value}) == {field: reason}


def test_all_wrong_fields_are_named_at_once() -> None:
    assert reasons(carrier=1, seats=True, nonsense=1).keys() == {"carrier", "seats", "nonsense"}
    with pytest.raises(RequestInvalid, match="carrier is missing; distance is missing"):
        CHECK.row({})


def test_an_error_is_bounded_however_many_fields_are_wrong() -> None:
    with pytest.raises(RequestInvalid) as refused:
        CHECK.row({f"field{n}": n for n in range(1_000)})
    assert len(refused.value.fields) == FIELD_LIMIT
    assert "and 982 more" in refused.value.message


@pytest.mark.parametrize("inputs", [None, [], "x", 1.0])
def test_what_is_no_object_is_refused(inputs) -> None:
    with pytest.raises(RequestInvalid, match="not an object"):
        CHECK.row(inputs)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.integers(), max_size=2)


@settings(max_examples=50, deadline=None)
@given(inputs=st.dictionaries(st.sampled_from([*GOOD, "other"]), scalars))
def test_any_row_either_fits_or_is_refused_with_reasons(inputs) -> None:
    try:
        row = CHECK.row(inputs)
    except RequestInvalid as refused:
        assert refused.fields
        assert all(refused.fields.values())
    else:
        assert len(row) == len(GOOD)
        assert {name: value for name, value in inputs.items() if value is not None} == {n: v for n, v in row.items() if v is not None}
