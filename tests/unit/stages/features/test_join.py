"""The point-in-time join: what a row may see, against an oracle that looks at every pair."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import DataInvalid
from noria.ports.tables import TIME
from noria.stages.features.join import point_in_time

START = datetime(2013, 1, 1, tzinfo=UTC)


def hour(n):
    return None if n is None else START + timedelta(hours=n)


def rows_of(pairs):
    schema = {"airport": pl.String, "at": TIME, "n": pl.Int64}
    return pl.DataFrame([(key, hour(at), n) for n, (key, at) in enumerate(pairs)], schema=schema, orient="row")


def view_of(triples):
    schema = {"station": pl.String, "time": TIME, "known": TIME, "wind": pl.Int64}
    return pl.DataFrame([(e, hour(t), hour(k), n) for n, (e, t, k) in enumerate(triples)], schema=schema, orient="row")


def join(rows, view, *, known="known", ttl=None):
    return point_in_time(rows, view, row_key="airport", row_time="at", entity="station", time="time", known=known, ttl=ttl)


def oracle(rows, view, *, bitemporal, ttl):
    found = []
    for key, at, _ in rows.iter_rows():
        best = None
        for entity, time, known, wind in view.iter_rows():
            known = known if bitemporal else time
            if None in (key, at, entity, time, known) or key != entity or time > at or known > at:
                continue
            if ttl is not None and at - time > ttl:
                continue
            if best is None or (time, known) >= best[:2]:
                best = (time, known, wind)
        found.append(None if best is None else best[2])
    return found


keys = st.sampled_from(["EWR", "JFK", None])
hours = st.one_of(st.none(), st.integers(0, 6))


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(keys, hours), max_size=12),
    view=st.lists(st.tuples(keys, hours, hours), max_size=12),
    bitemporal=st.booleans(),
    ttl=st.sampled_from([None, timedelta(0), timedelta(hours=2)]),
)
def test_every_row_gets_what_an_oracle_gives_it(rows, view, bitemporal, ttl):
    rows, view = rows_of(rows), view_of(view)
    if not bitemporal:
        view = view.drop("known")
    joined = join(rows, view, known="known" if bitemporal else "", ttl=ttl)
    full = view if bitemporal else view.select("station", "time", pl.lit(None, dtype=TIME).alias("known"), "wind")
    assert joined["wind"].to_list() == oracle(rows, full, bitemporal=bitemporal, ttl=ttl)
    assert joined.drop("wind").equals(rows)


def test_a_late_correction_of_an_old_hour_does_not_hide_the_newest_hour():
    view = view_of([("EWR", 1, 1), ("EWR", 2, 2), ("EWR", 1, 5)])
    assert join(rows_of([("EWR", 6), ("EWR", 1)]), view)["wind"].to_list() == [1, 0]


def test_a_value_of_the_future_is_seen_only_when_its_time_has_come():
    forecast = view_of([("EWR", 5, 0), ("EWR", 1, 1)])
    assert join(rows_of([("EWR", 4), ("EWR", 5)]), forecast)["wind"].to_list() == [1, 0]


def test_an_empty_view_gives_only_missing_values():
    assert join(rows_of([("EWR", 1)]), view_of([]))["wind"].to_list() == [None]


def test_numbers_and_text_that_read_the_same_are_the_same_key():
    rows = rows_of([("7", 1)])
    view = view_of([("x", 1, 1)]).with_columns(station=pl.lit(7, dtype=pl.Int64))
    assert join(rows, view)["wind"].to_list() == [0]


def test_a_column_on_both_sides_is_refused_by_name():
    with pytest.raises(DataInvalid, match="'wind'"):
        join(rows_of([("EWR", 1)]).with_columns(wind=1), view_of([]))
