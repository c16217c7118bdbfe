"""How a dataset version's blobs become one table again, with one Polars type per kind of column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO

import polars as pl

from noria.core.data import DatasetVersion, Part
from noria.core.errors import DataInvalid
from noria.core.moments import to_ms
from noria.core.schema import Field, Kind
from noria.ports.blobs import Blobs

TIME = pl.Datetime("ms", "UTC")
"""The one type of a moment in every table."""

DTYPES: Mapping[Kind, pl.DataType] = {
    Kind.BOOL: pl.Boolean(),
    Kind.INT: pl.Int64(),
    Kind.FLOAT: pl.Float64(),
    Kind.TEXT: pl.String(),
    Kind.TIME: TIME,
}
"""The Polars type in which each kind of column is kept."""


_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def moment(at: datetime) -> pl.Expr:
    """An aware (or naive = UTC) datetime as a literal of type `TIME`."""
    return pl.lit(to_ms(at), dtype=pl.Int64).cast(TIME)


def moment_ms(text: str) -> int:
    """ISO 8601 text (UTC unless it says otherwise) as milliseconds since 1970.

    Raises:
        ValueError: the text is not a moment.
    """
    said = datetime.fromisoformat(text)
    return to_ms(said if said.tzinfo else said.replace(tzinfo=UTC))


def as_kind(values: pl.Series, kind: Kind) -> pl.Series:
    """Logged or requested values as a column of their kind; times may be ISO 8601 text or epoch ms.

    Raises:
        ValueError: a text is not a moment.
        polars.exceptions.PolarsError: a value does not fit the kind.
    """
    if kind is Kind.TIME and values.dtype == pl.String:
        distinct = {text: moment_ms(text) for text in values.drop_nulls().unique()}
        return values.replace_strict(distinct, return_dtype=pl.Int64).cast(TIME)
    if kind is Kind.TIME and values.dtype.is_numeric():
        return values.cast(pl.Int64).cast(TIME)
    if kind is Kind.BOOL and values.dtype == pl.String:
        return values.str.to_lowercase().replace_strict(_TRUTHS, return_dtype=pl.Boolean)
    if kind is Kind.INT and values.dtype == pl.String:
        return values.cast(pl.Float64).cast(pl.Int64)
    return values.cast(DTYPES[kind])


def scan(
    version: DatasetVersion,
    *,
    blobs: Blobs,
    columns: Sequence[str] | None = None,
    known_by: datetime | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.LazyFrame:
    """Rows of a version: source parts by time, then traffic parts in the order they came.

    Args:
        version: What to read; a column that a part does not have is null there.
        blobs: Where its parts are.
        columns: Only these; all of the schema when left out.
        known_by: Only rows known at that moment; a row without a known time counts as known at its own time.
        since: Only rows with time ≥ it.
        until: Only rows with time < it.

    Raises:
        BlobMissing: a part is not in the store.
        DataInvalid: a column is not in the schema.
    """
    parts = [_part(part, version.schema, blobs) for part in version.parts]
    rows = pl.concat(parts) if parts else pl.LazyFrame(schema={field.name: DTYPES[field.kind] for field in version.schema})
    if known_by is not None:
        known = pl.coalesce(version.known, version.time) if version.known else pl.col(version.time)
        rows = rows.filter(known <= moment(known_by))
    if since is not None:
        rows = rows.filter(pl.col(version.time) >= moment(since))
    if until is not None:
        rows = rows.filter(pl.col(version.time) < moment(until))
    return rows if columns is None else rows.select(_named(version, columns))


def _part(part: Part, schema: Sequence[Field], blobs: Blobs) -> pl.LazyFrame:
    path = blobs.path(part.digest)
    held = pl.read_parquet_schema(path)
    wanted = [(pl.col(f.name) if f.name in held else pl.lit(None).alias(f.name)).cast(DTYPES[f.kind]) for f in schema]
    return pl.scan_parquet(path, glob=False).select(wanted)


def _named(version: DatasetVersion, columns: Sequence[str]) -> list[str]:
    held = [field.name for field in version.schema]
    absent = [name for name in columns if name not in held]
    if absent:
        raise DataInvalid(f"dataset {version.name!r} has no column {', '.join(map(repr, absent))}; it has {', '.join(held[:40])}")
    return list(columns)


def keep_frame(frame: pl.DataFrame, blobs: Blobs) -> str:
    """A small table as a Parquet blob; its digest."""
    file = BytesIO()
    frame.write_parquet(file)
    return blobs.put(file.getvalue())


def kept_frame(digest: str, blobs: Blobs) -> pl.DataFrame:
    """The table that `keep_frame` kept.

    Raises:
        BlobMissing: the blob is gone.
    """
    return pl.read_parquet(BytesIO(blobs.read(digest)))
