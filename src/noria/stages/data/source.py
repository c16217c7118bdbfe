"""Opens what a `Dataset` declares as its source, whatever it is, as one Polars LazyFrame of known kinds."""

from __future__ import annotations

from glob import has_magic
from pathlib import Path
from typing import Any

import polars as pl

from noria.core.declaration.dataset import Dataset
from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind
from noria.packaging.encoding import kind_of
from noria.ports.tables import DTYPES

_FORMATS = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
_SAMPLE_ROWS = 10_000


def open_source(spec: Dataset) -> pl.LazyFrame:
    """The declared rows, times as `Datetime("ms", "UTC")` (naive = UTC), numbers as int64 or float64, NaN as null.

    A path or glob is relative to the current folder; a folder means all files of one format below it, Parquet first.

    Raises:
        DataInvalid: no such file, a format Noria does not read, a declared column that is not
            there, or a column of a type that no model can take.
    """
    return _normalised(spec, _checked(spec, _raw(spec)))


def schema_of(spec: Dataset) -> tuple[Field, ...]:
    """The columns of the source, without reading its rows.

    Raises:
        DataInvalid: as `open_source`.
    """
    _checked(spec, _raw(spec))
    return columns_of(spec)


def columns_of(spec: Dataset) -> tuple[Field, ...]:
    """As `schema_of`, whether or not the declared key and time are among the columns.

    Raises:
        DataInvalid: no such file, a format Noria does not read, or a column of a type that no model can take.
    """
    schema = _schema(spec, _raw(spec))
    return tuple(Field(name=name, kind=_kind(spec, name, dtype)) for name, dtype in schema.items())


def rows_of(source: Any, *, name: str) -> pl.LazyFrame:
    """The rows of any source as they are, of whatever types.

    Args:
        source: As `Dataset.source`.
        name: What errors call it.

    Raises:
        DataInvalid: no such file, or a format Noria does not read.
    """
    spec = Dataset(name, source, key="", time="")
    rows = _raw(spec)
    _schema(spec, rows)
    return rows


def _raw(spec: Dataset) -> pl.LazyFrame:
    source = spec.source
    if isinstance(source, (str, Path)):
        return _files(spec, Path(source).expanduser())
    return _frame(spec, source)


def _files(spec: Dataset, path: Path) -> pl.LazyFrame:
    place = Path.cwd() / path
    found = _matching(place)
    if not found:
        what = "no file matches" if has_magic(str(place)) or place.is_dir() else "there is no file"
        raise DataInvalid(f"dataset {spec.name!r}: {what} {place}", fix="put the data there, or mend the path in the loop file")
    form = _format(spec, found[0])
    if form == "parquet":
        return pl.scan_parquet(found, glob=False, missing_columns="insert")
    if form == "arrow":
        return pl.concat([pl.scan_ipc(file) for file in found], how="diagonal")
    if form == "jsonl":
        return pl.scan_ndjson(found, infer_schema_length=_SAMPLE_ROWS)
    return pl.scan_csv(found, glob=False, try_parse_dates=True, separator="\t" if form == "tsv" else ",", infer_schema_length=_SAMPLE_ROWS)


def _matching(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        return sorted(path for path in Path(place.anchor).glob(str(place.relative_to(place.anchor))) if path.is_file())
    for form in dict.fromkeys(_FORMATS.values()):
        found = [path for path in place.rglob("*") if _form(path) == form and path.is_file()]
        if found:
            return sorted(found)
    return []


def _form(path: Path) -> str:
    """The format that a file's name tells ("x.csv.gz" is a CSV); "" when none that is read."""
    return next((_FORMATS[suffix.lower()] for suffix in path.suffixes[-2:] if suffix.lower() in _FORMATS), "")


def _format(spec: Dataset, path: Path) -> str:
    if _form(path):
        return _form(path)
    raise DataInvalid(f"dataset {spec.name!r}: {path} is no table that Noria reads", fix=f"name it {', '.join(_FORMATS)}")


def _frame(spec: Dataset, source: Any) -> pl.LazyFrame:
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    module = type(source).__module__.partition(".")[0]
    try:
        if module == "pandas":
            return pl.from_pandas(source).lazy()
        if hasattr(source, "to_arrow_table"):
            return _table(source.to_arrow_table()).lazy()
        return _table(source).lazy()
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(
            f"dataset {spec.name!r}: a {type(source).__name__} cannot be read as a table: {error}",
            fix="give a path, or a pandas, Polars or pyarrow table, or a DuckDB relation",
        ) from error


def _table(source: Any) -> pl.DataFrame:
    if not hasattr(source, "__arrow_c_stream__"):
        raise TypeError("it does not speak Arrow")
    return pl.DataFrame(source)


def _checked(spec: Dataset, rows: pl.LazyFrame) -> pl.LazyFrame:
    schema = _schema(spec, rows)
    for role, name in (("key", spec.key), ("time", spec.time), ("known", spec.known)):
        if not name:
            continue
        if name not in schema:
            raise DataInvalid(f"dataset {spec.name!r}: its {role} column {name!r} is not there; there are {', '.join(list(schema)[:40])}")
        if role != "key" and _kind(spec, name, schema[name]) is not Kind.TIME:
            raise DataInvalid(
                f"dataset {spec.name!r}: its {role} column {name!r} is {schema[name]}, not a time",
                fix="store it as a timestamp or ISO text",
            )
    return rows


def _schema(spec: Dataset, rows: pl.LazyFrame) -> pl.Schema:
    try:
        return rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataInvalid(f"dataset {spec.name!r} cannot be read: {error}") from error


def _kind(spec: Dataset, name: str, dtype: pl.DataType) -> Kind:
    try:
        return kind_of(dtype)
    except DataInvalid as error:
        raise DataInvalid(f"dataset {spec.name!r}, column {name!r}: {error.message}", fix="leave the column out of the source") from error


def _normalised(spec: Dataset, rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(_cast(name, _kind(spec, name, dtype)) for name, dtype in rows.collect_schema().items())


def _cast(name: str, kind: Kind) -> pl.Expr:
    column = pl.col(name).cast(DTYPES[kind])
    return column.fill_nan(None) if kind is Kind.FLOAT else column
