"""A source may be many things; what comes out is one kind of table, or an error that says where it looked."""

from datetime import UTC, date, datetime

import duckdb
import pandas as pd
import polars as pl
import pytest

from noria.core.declaration.dataset import Dataset
from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind
from noria.ports.tables import TIME
from noria.stages.data.source import open_source, schema_of

FRAME = pl.DataFrame({"id": ["a", "b"], "at": [datetime(2013, 1, 1, 5), datetime(2013, 1, 2, 5)], "x": [1.5, None], "n": [1, 2]})
FIELDS = (
    Field(name="id", kind=Kind.TEXT),
    Field(name="at", kind=Kind.TIME),
    Field(name="x", kind=Kind.FLOAT),
    Field(name="n", kind=Kind.INT),
)
WANTED = FRAME.with_columns(pl.col("at").cast(TIME))


def dataset(source, **roles):
    return Dataset("things", source, **{"key": "id", "time": "at", **roles})


def in_memory():
    connection = duckdb.connect()
    connection.register("frame", FRAME.to_arrow())
    return {
        "polars": FRAME,
        "lazy": FRAME.lazy(),
        "pandas": FRAME.to_pandas().set_index(pd.Index([7, 9])),
        "pyarrow": FRAME.to_arrow(),
        "duckdb": connection.sql("select * from frame"),
    }


@pytest.mark.parametrize("form", ["polars", "lazy", "pandas", "pyarrow", "duckdb"])
def test_any_arrow_capable_frame_is_a_source(form):
    spec = dataset(in_memory()[form])
    assert open_source(spec).collect().equals(WANTED)
    assert schema_of(spec) == FIELDS


def test_files_are_found_relative_to_the_current_folder(tmp_path, monkeypatch):
    FRAME.head(1).write_parquet(tmp_path / "part-1.parquet")
    FRAME.tail(1).write_parquet(tmp_path / "part-2.parquet")
    FRAME.write_csv(tmp_path / "all.csv")
    monkeypatch.chdir(tmp_path)
    for source in ("part-*.parquet", tmp_path / "part-*.parquet", str(tmp_path), "all.csv"):
        assert open_source(dataset(source)).collect().equals(WANTED), source
        assert schema_of(dataset(source)) == FIELDS


def test_a_file_without_a_newer_column_has_nulls_there(tmp_path):
    FRAME.write_parquet(tmp_path / "1.parquet")
    FRAME.drop("x").write_parquet(tmp_path / "2.parquet")
    assert open_source(dataset(tmp_path / "*.parquet")).collect()["x"].to_list() == [1.5, None, None, None]


def test_times_of_any_zone_become_utc_and_nan_becomes_missing():
    frame = pl.DataFrame(
        {
            "id": pl.Series(["a"], dtype=pl.Categorical),
            "at": pl.Series([datetime(2013, 7, 1, 5)]).dt.replace_time_zone("America/New_York"),
            "day": [date(2013, 7, 1)],
            "x": pl.Series([float("nan")], dtype=pl.Float32),
            "n": pl.Series([3], dtype=pl.UInt8),
            "none": [None],
        }
    )
    row = open_source(dataset(frame)).collect()
    assert row.dtypes == [pl.String, TIME, TIME, pl.Float64, pl.Int64, pl.Float64]
    assert row.row(0) == ("a", datetime(2013, 7, 1, 9, tzinfo=UTC), datetime(2013, 7, 1, tzinfo=UTC), None, 3, None)


@pytest.mark.parametrize("name", ["gone.parquet", "gone/*.parquet", "."])
def test_a_missing_file_is_named_with_its_whole_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataInvalid, match=str(tmp_path)) as caught:
        open_source(dataset(name))
    assert "file" in caught.value.message


def test_broken_and_foreign_files_are_said_to_be_so(tmp_path):
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and then nothing")
    (tmp_path / "book.xlsx").write_bytes(b"")
    with pytest.raises(DataInvalid, match="cannot be read"):
        schema_of(dataset(tmp_path / "torn.parquet"))
    with pytest.raises(DataInvalid, match="no table that Noria reads"):
        schema_of(dataset(tmp_path / "book.xlsx"))
    with pytest.raises(DataInvalid, match="cannot be read as a table"):
        schema_of(dataset(object()))


@pytest.mark.parametrize(
    ("roles", "said"),
    [({"key": "nobody"}, "key column 'nobody'"), ({"time": "x"}, "time column 'x' is Float64"), ({"known": "when"}, "known column 'when'")],
)
def test_roles_that_do_not_fit_are_refused(roles, said):
    with pytest.raises(DataInvalid, match=said):
        schema_of(dataset(FRAME, **roles))


def test_a_column_that_no_model_can_take_is_named():
    with pytest.raises(DataInvalid, match="'list'"):
        open_source(dataset(FRAME.with_columns(list=pl.lit([1, 2]))))
