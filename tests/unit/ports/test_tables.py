"""Logged and requested values become columns of their kind, and moments read the same everywhere."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.moments import to_ms
from noria.core.schema import Kind
from noria.ports.tables import TIME, as_kind, moment_ms

zones = st.one_of(st.just(UTC), st.builds(lambda m: timezone(timedelta(minutes=m)), st.integers(-14 * 60, 14 * 60)))


@settings(max_examples=50, deadline=None)
@given(st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2100, 1, 1), timezones=zones))
def test_a_moment_survives_its_way_through_text_in_any_zone(said):
    said = said.replace(microsecond=said.microsecond // 1000 * 1000)
    assert moment_ms(said.isoformat()) == to_ms(said)
    assert as_kind(pl.Series([said.isoformat(), None]), Kind.TIME).to_list() == [said, None]


@pytest.mark.parametrize(
    "text", ["2013-01-01", "2013-01-01T00:00", "2013-01-01 00:00:00", "2013-01-01T00:00:00Z", "2012-12-31T19:00:00-05:00"]
)
def test_every_way_to_write_a_moment_is_the_same_moment(text):
    assert moment_ms(text) == to_ms(datetime(2013, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        (["true", "False", "1", None], Kind.BOOL, [True, False, True, None]),
        ([1.0, 0.0, None], Kind.BOOL, [True, False, None]),
        (["7", "7.0"], Kind.INT, [7, 7]),
        ([7, None], Kind.FLOAT, [7.0, None]),
        ([7], Kind.TEXT, ["7"]),
        ([0], Kind.TIME, [datetime(1970, 1, 1, tzinfo=UTC)]),
        ([None], Kind.TIME, [None]),
    ],
)
def test_values_take_the_kind_of_their_field(values, kind, wanted):
    assert as_kind(pl.Series(values), kind).to_list() == wanted


def test_a_time_of_another_zone_is_the_same_moment_in_utc():
    local = pl.Series([datetime(2013, 7, 1, 5)]).dt.replace_time_zone("America/New_York")
    found = as_kind(local, Kind.TIME)
    assert (found.dtype, found.to_list()) == (TIME, [datetime(2013, 7, 1, 9, tzinfo=UTC)])


@pytest.mark.parametrize(("values", "kind"), [(["yesterday"], Kind.TIME), (["maybe"], Kind.BOOL), (["seven"], Kind.INT)])
def test_values_that_do_not_fit_are_refused(values, kind):
    with pytest.raises((ValueError, pl.exceptions.PolarsError)):
        as_kind(pl.Series(values), kind)
