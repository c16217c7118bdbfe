"""Dataset versions: same content, same digest; traffic is carried along; reading is bitemporal."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from noria.adapters.files import Files
from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Dataset
from noria.core.errors import DataInvalid
from noria.core.schema import Kind
from noria.ports import wire
from noria.stages.data import versions
from noria.stages.data.versions import read, snapshot

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def frame(days, **more):
    return pl.DataFrame({"id": [f"x{n}" for n in days], "at": [START + n * DAY for n in days], "late": [n % 2 == 0 for n in days], **more})


def traffic(days):
    return pl.DataFrame({"id": [f"x{n}" for n in days], "at": [START + n * DAY for n in days], "late": [1 for _ in days]})


@pytest.fixture
def take(tmp_path):
    blobs = Files(tmp_path / "blobs")

    def taking(source, **given):
        known = given.pop("known", "")
        spec = Dataset("flights", source, key="id", time="at", known=known)
        return snapshot(spec, blobs=blobs, scratch=tmp_path / "scratch", **{"at": START, **given})

    taking.blobs = blobs
    taking.rows = lambda version, **given: read(version, blobs=blobs, **given).collect()
    return taking


def test_the_same_content_is_the_same_version_whenever_and_however_it_is_taken(take, tmp_path):
    frame(range(9)).write_parquet(tmp_path / "flights.parquet")
    first = take(frame(range(9)))
    again = take(tmp_path / "flights.parquet", at=START + DAY)
    assert (first.digest, first.parts) == (again.digest, again.parts)
    assert take(frame(range(9)), at=START + DAY, previous=first) is first
    assert take(frame(range(8))).digest != first.digest
    assert take(frame(range(9)).rename({"late": "delayed"})).digest != first.digest


def test_rows_come_back_by_time_and_ties_keep_their_order(take):
    shuffled = pl.DataFrame({"id": ["c", "a", "b", "d"], "at": [START + DAY, START, START, None]})
    version = take(shuffled)
    assert take.rows(version)["id"].to_list() == ["a", "b", "c", "d"]
    assert (version.rows, version.size_bytes) == (4, version.parts[0].size_bytes)


def test_a_version_survives_its_way_through_the_records(take):
    version = take(frame(range(5)))
    assert wire.load(wire.dump(version), DatasetVersion) == version


def test_a_growing_source_shares_its_full_parts(take, monkeypatch):
    monkeypatch.setattr(versions, "PART_ROWS", 4)
    small, large = take(frame(range(9))), take(frame(range(12)))
    assert [part.rows for part in large.parts] == [4, 4, 4]
    assert [part.digest for part in small.parts[:2]] == [part.digest for part in large.parts[:2]]
    assert len(list(take.blobs.digests())) == 4


def test_reading_picks_columns_and_times(take):
    version = take(frame(range(5)))
    assert take.rows(version, columns=["late", "id"], since=START + DAY, until=START + 3 * DAY).to_dict(as_series=False) == {
        "late": [False, True],
        "id": ["x1", "x2"],
    }
    assert take.rows(version, known_by=START + DAY)["id"].to_list() == ["x0", "x1"]
    with pytest.raises(DataInvalid, match="no column 'nothing'"):
        take.rows(version, columns=["nothing"])


def test_what_became_known_later_is_not_read_before(take):
    version = take(frame(range(3), told=[START + 5 * DAY, START + DAY, None]), known="told")
    assert take.rows(version, known_by=START + 2 * DAY)["id"].to_list() == ["x1", "x2"]
    assert take.rows(version, known_by=START + 5 * DAY)["id"].to_list() == ["x0", "x1", "x2"]


def test_traffic_is_appended_once_and_carried_over(take):
    born = take(frame(range(3)))
    grown = take(frame(range(3)), previous=born, traffic=traffic([2, 3, 4]))
    assert [(part.origin, part.rows) for part in grown.parts] == [("source", 3), ("traffic", 2)]
    assert take.rows(grown)["id"].to_list() == ["x0", "x1", "x2", "x3", "x4"]
    assert take.rows(grown)["late"].dtype == pl.Boolean
    assert grown.parent == born.digest
    older = take(frame(range(3)), previous=grown, traffic=traffic([4, 5]))
    assert [(part.origin, part.rows) for part in older.parts] == [("source", 3), ("traffic", 2), ("traffic", 1)]
    assert take(frame(range(3)), previous=older, traffic=traffic([3, 5])) is older


def test_a_source_that_catches_up_replaces_what_traffic_brought(take):
    born = take(frame(range(3)), traffic=traffic([3, 4]))
    caught_up = take(frame(range(4)), previous=born)
    rows = take.rows(caught_up)
    assert rows["id"].to_list() == ["x0", "x1", "x2", "x3", "x4"]
    assert rows["late"].to_list() == [True, False, True, False, True]


def test_parts_of_another_age_of_the_schema_are_read_with_nulls(take):
    born = take(frame(range(2)), traffic=traffic([3]))
    wider = take(frame(range(2), wind=[1.5, 2.5]), previous=born)
    assert take.rows(wider)["wind"].to_list() == [1.5, 2.5, None]


def test_traffic_that_does_not_say_all_columns_has_nulls_there(take):
    version = take(frame(range(2), wind=[1, 2]), traffic=traffic([3]))
    assert take.rows(version)["wind"].to_list() == [1, 2, None]


def test_an_empty_source_is_a_version_without_parts(take):
    version = take(frame(range(3)).head(0))
    assert (version.rows, version.parts) == (0, ())
    assert take.rows(version, known_by=START).height == 0


def test_a_profile_says_what_each_column_looks_like(take):
    version = take(frame(range(5), wind=[1.0, 2.0, 3.0, 4.0, None], tail=["a", "b", "a", None, "a"]))
    by_name = {column.name: column for column in version.profile}
    wind, tail, at = by_name["wind"], by_name["tail"], by_name["at"]
    assert (wind.kind, wind.rows, wind.nulls, wind.distinct, wind.mean) == (Kind.FLOAT, 5, 1, 4, 2.5)
    assert (wind.quantiles[0], wind.quantiles[3], wind.quantiles[6]) == (1.0, 2.5, 4.0)
    assert (tail.nulls, tail.distinct, tail.top) == (1, 2, (("a", 3), ("b", 1)))
    assert at.quantiles[0] == START.timestamp() * 1000
    assert by_name["late"].top == (("true", 3), ("false", 2))


def test_traffic_that_does_not_fit_the_source_is_refused(take):
    with pytest.raises(DataInvalid, match="do not fit"):
        take(frame(range(2)), traffic=traffic([3]).with_columns(late=pl.lit("perhaps")))
