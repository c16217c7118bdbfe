from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import DataInvalid, RequestInvalid
from noria.core.schema import Field, Kind
from noria.packaging.encoding import CATEGORY_LIMIT, encode, kind_of, learn_fields
from noria.packaging.row_encoding import RowEncoder

MOMENT = datetime(2013, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FIELDS = (
    Field(name="late", kind=Kind.BOOL),
    Field(name="stops", kind=Kind.INT),
    Field(name="distance", kind=Kind.FLOAT),
    Field(name="carrier", kind=Kind.TEXT, categories=("AA", "UA", "ß")),
    Field(name="at", kind=Kind.TIME),
)
SCHEMA = {"late": pl.Boolean, "stops": pl.Int64, "distance": pl.Float64, "carrier": pl.String, "at": pl.Datetime("us", "UTC")}
ROW = st.fixed_dictionaries(
    {
        "late": st.none() | st.booleans(),
        "stops": st.none() | st.integers(-(2**63), 2**63 - 1),
        "distance": st.none() | st.floats(),
        "carrier": st.none() | st.sampled_from(["AA", "UA", "ß", "unseen", ""]),
        "at": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),
    }
)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40))
def test_a_request_is_encoded_to_the_very_bits_that_training_saw(rows: list[dict[str, object]]) -> None:
    columns = {name: [row[name] for row in rows] for name in SCHEMA}
    offline = encode(pl.DataFrame(columns, schema=SCHEMA), FIELDS)
    online = RowEncoder(FIELDS).encode(columns, len(rows))
    as_text = {**columns, "at": [None if at is None else at.isoformat() for at in columns["at"]]}
    for matrix in (online, RowEncoder(FIELDS).encode(as_text, len(rows))):
        assert matrix.flags.c_contiguous and matrix.dtype == np.float64
        np.testing.assert_array_equal(offline, matrix)


def test_each_kind_has_its_number_and_missing_is_nan() -> None:
    frame = pl.DataFrame({"late": [True, None], "stops": [3, None], "distance": [1.5, None], "carrier": ["UA", "XX"], "at": [MOMENT, None]})
    matrix = encode(frame, FIELDS)
    assert matrix[0].tolist() == [1.0, 3.0, 1.5, 1.0, MOMENT.timestamp()]
    assert np.isnan(matrix[1]).all()
    assert matrix.flags.c_contiguous


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["UA", "new"])])
def test_categorical_columns_count_as_text(dtype: pl.DataType) -> None:
    frame = pl.DataFrame({"carrier": pl.Series(["UA", "new", None], dtype=dtype)})
    assert kind_of(frame["carrier"].dtype) is Kind.TEXT
    np.testing.assert_array_equal(encode(frame, [FIELDS[3]])[:, 0], [1.0, np.nan, np.nan])


def test_naive_datetimes_dates_and_other_precisions_are_the_same_moment() -> None:
    whole = datetime(2013, 1, 2)
    at = [FIELDS[4]]
    expected = [[datetime(2013, 1, 2, tzinfo=UTC).timestamp()]]
    for dtype in (pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("ms", "UTC")):
        assert encode(pl.DataFrame({"at": pl.Series([whole]).cast(pl.Datetime("us")).cast(dtype)}), at).tolist() == expected
    assert encode(pl.DataFrame({"at": [date(2013, 1, 2)]}), at).tolist() == expected
    assert RowEncoder(at).encode({"at": ["2013-01-02"]}, 1).tolist() == expected
    assert RowEncoder(at).encode({"at": ["2013-01-02T01:00:00+01:00"]}, 1).tolist() == expected
    assert RowEncoder(at).encode({"at": [whole]}, 1).tolist() == expected
    assert RowEncoder(at).encode({"at": [expected[0][0]]}, 1).tolist() == expected


def test_fields_are_learned_from_the_columns() -> None:
    frame = pl.DataFrame({"carrier": ["UA", None, "AA", "UA"], "n": [1, 2, 3, 4], "late": [True] * 4, "x": [0.5] * 4, "at": [MOMENT] * 4})
    fields = learn_fields(frame, ["at", "carrier", "n", "late", "x"])
    assert [field.kind for field in fields] == [Kind.TIME, Kind.TEXT, Kind.INT, Kind.BOOL, Kind.FLOAT]
    assert fields[1].categories == ("AA", "UA")


def test_only_the_most_frequent_categories_are_kept() -> None:
    values = [f"v{n:04d}" for n in range(CATEGORY_LIMIT + 5)]
    (field,) = learn_fields(pl.DataFrame({"tail": values + values[5:]}), ["tail"])
    assert field.categories == tuple(values[5:])


def test_a_column_of_nulls_is_all_missing() -> None:
    frame = pl.DataFrame({"carrier": pl.Series([None, None], dtype=pl.Null)})
    assert np.isnan(encode(frame, [FIELDS[3]])).all()
    assert np.isnan(encode(pl.DataFrame({"carrier": ["UA"]}), [Field(name="carrier", kind=Kind.TEXT)])).all()


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(DataInvalid, match="no column 'distance'"):
        encode(pl.DataFrame({"x": [1]}), [FIELDS[2]])
    with pytest.raises(DataInvalid, match="'distance' is float, but its column holds String"):
        encode(pl.DataFrame({"distance": ["far"]}), [FIELDS[2]])
    with pytest.raises(DataInvalid, match="column 'tags'"):
        learn_fields(pl.DataFrame({"tags": [["a"]]}), ["tags"])


def test_a_request_may_leave_columns_out_but_not_send_nonsense() -> None:
    encoder = RowEncoder(FIELDS)
    assert np.isnan(encoder.encode({}, 2)).all()
    assert encoder.encode({"stops": [1, None]}, 2)[0, 1] == 1.0
    with pytest.raises(RequestInvalid, match="'distance'") as caught:
        encoder.encode({"distance": ["far"]}, 1)
    assert set(caught.value.fields) == {"distance"}
    with pytest.raises(RequestInvalid, match="'at'"):
        encoder.encode({"at": ["yesterday"]}, 1)
    with pytest.raises(RequestInvalid, match="'stops'"):
        encoder.encode({"stops": [10**400]}, 1)
    with pytest.raises(RequestInvalid) as caught:
        encoder.encode({"distance": [1.0, 2.0]}, 1)
    assert caught.value.fields == {"distance": "2 values"}
