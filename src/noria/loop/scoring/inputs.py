"""Reads Parquet, CSV and JSON lines files piece by piece, from any row on, and keeps what cannot be read apart."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from noria.core.errors import DataInvalid, NotFound
from noria.core.schema import Field, Kind
from noria.core.scoring import ScoredInput

CHUNK_ROWS = 32_768
"""Rows that are scored together: their matrix stays small, and calls stay few."""

_BLOCK_BYTES = 4 << 20
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_JSON_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.FLOAT: (int, float),
    Kind.INT: (int, float),
    Kind.BOOL: (bool,),
    Kind.TEXT: (str,),
    Kind.TIME: (str,),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """Neighbouring rows of one file.

    Attributes:
        start: Their first row's number in the file.
        frame: The columns that are wanted and there; rows that could not be read are all null.
        bad: Place in the frame to the reason why that row could not be read.
        share: Of the file that has been read with it, 0 to 1.
    """

    start: int
    frame: pl.DataFrame
    bad: dict[int, str] = field(default_factory=dict)
    share: float = 1.0


def found(patterns: Sequence[str | Path], *, folder: Path | None = None) -> list[Path]:
    """The files that paths, globs and folders name, each once; seen from `folder`, or the current one.

    Raises:
        NotFound: one of them names nothing.
        DataInvalid: a file is of no format that is read.
    """
    files: list[Path] = []
    for pattern in patterns:
        place = (folder or Path.cwd()) / Path(pattern).expanduser()
        named = sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor)))) if has_magic(str(place)) else [place]
        for one in named:
            files += sorted(inner for inner in one.rglob("*") if inner.is_file() and _form(inner)) if one.is_dir() else [one]
        if not any(one.exists() for one in named):
            raise NotFound(
                f"no file matches {place}", fix="name Parquet, CSV or JSON lines files, a glob, a folder, or a dataset of the loop"
            )
    files = [file for file in dict.fromkeys(file.resolve() for file in files) if file.is_file()]
    for file in files:
        if not _form(file):
            raise DataInvalid(f"{file} is no table that Noria scores", fix=f"write it as one of {', '.join(_SUFFIXES)}")
    return files


def identity(file: Path) -> ScoredInput:
    """The file as it is now."""
    told = file.stat()
    return ScoredInput(path=str(file), size_bytes=told.st_size, changed_ns=told.st_mtime_ns)


def chunks(file: Path, wanted: Sequence[Field], start: int = 0) -> Iterator[Chunk]:
    """Rows of a file from row `start` on, in order.

    Args:
        wanted: Columns to read; those that the file lacks are left out.

    Raises:
        DataInvalid: the file is damaged.
    """
    readers: dict[str, Callable[..., Iterator[Chunk]]] = {"parquet": _parquet, "csv": _csv, "tsv": _csv, "jsonl": _json_lines}
    try:
        yield from readers[_form(file)](file, wanted, start)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"{file} cannot be read: {str(error)[:300]}", fix="mend the file, or leave it out") from error


def _form(file: Path) -> str:
    return next((_SUFFIXES[suffix.lower()] for suffix in file.suffixes[-2:] if suffix.lower() in _SUFFIXES), "")


def _parquet(file: Path, wanted: Sequence[Field], start: int) -> Iterator[Chunk]:
    with pq.ParquetFile(file, pre_buffer=False) as opened:
        held = set(opened.schema_arrow.names)
        names = [one.name for one in wanted if one.name in held]
        total, at = max(opened.metadata.num_rows, 1), 0
        for group in range(opened.metadata.num_row_groups):
            rows = opened.metadata.row_group(group).num_rows
            if at + rows <= start:
                at += rows
                continue
            for batch in opened.iter_batches(batch_size=CHUNK_ROWS, row_groups=[group], columns=names):
                skipped = min(max(start - at, 0), batch.num_rows)
                at += batch.num_rows
                if skipped < batch.num_rows:
                    frame = _framed(batch.slice(skipped), names)
                    yield Chunk(start=at - frame.height, frame=frame, share=at / total)


def _framed(batch: pa.RecordBatch, names: Sequence[str]) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame if names else pl.DataFrame(height=batch.num_rows)


def _csv(file: Path, wanted: Sequence[Field], start: int) -> Iterator[Chunk]:
    """All columns as text: what fits a field is told by the field, row by row."""
    odd: list[pc.InvalidRow] = []

    def aside(row: pc.InvalidRow) -> str:
        odd.append(row)
        return "skip"

    delimiter = "\t" if _form(file) == "tsv" else ","
    held = _header(file, delimiter)
    names = [one.name for one in wanted if one.name in held]
    size = max(file.stat().st_size, 1)
    with file.open("rb") as raw, _unpacked(file, raw) as text:
        reader = pc.open_csv(
            text,
            read_options=pc.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=aside),
            convert_options=pc.ConvertOptions(
                include_columns=names or held[:1],
                column_types=dict.fromkeys(held, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
        at = seen = 0
        for batch in reader:
            for piece in range(0, batch.num_rows, CHUNK_ROWS):
                frame = _framed(batch.slice(piece, CHUNK_ROWS), names)
                last = piece + CHUNK_ROWS >= batch.num_rows
                frame, bad = _with_odd(frame, odd[seen:]) if last else (frame, {})
                seen = len(odd) if last else seen
                before, at = at, at + frame.height
                if at > start:
                    cut = max(start - before, 0)
                    kept = {place - cut: reason for place, reason in bad.items() if place >= cut}
                    yield Chunk(start=before + cut, frame=frame[cut:], bad=kept, share=min(raw.tell() / size, 1.0))


def _with_odd(frame: pl.DataFrame, odd: Sequence[pc.InvalidRow]) -> tuple[pl.DataFrame, dict[int, str]]:
    """The rows of a block with those that have another number of columns behind them, as rows of nothing."""
    if not odd:
        return frame, {}
    empty = pl.DataFrame({name: [None] * len(odd) for name in frame.columns}, schema=frame.schema)
    bad = {
        frame.height + place: f"has {row.actual_columns} columns, the header {row.expected_columns}: {str(row.text)[:100]}"
        for place, row in enumerate(odd)
    }
    return pl.concat([frame, empty]), bad


def _header(file: Path, delimiter: str) -> list[str]:
    with file.open("rb") as raw, _unpacked(file, raw) as text:
        reader = pc.open_csv(
            text,
            read_options=pc.ReadOptions(use_threads=False, block_size=1 << 20),
            parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=lambda row: "skip"),
        )
        return list(reader.schema.names)


def _json_lines(file: Path, wanted: Sequence[Field], start: int) -> Iterator[Chunk]:
    size = max(file.stat().st_size, 1)
    with file.open("rb") as raw, _unpacked(file, raw) as lines:
        rows: list[dict[str, Any]] = []
        bad: dict[int, str] = {}
        number = 0
        for line in lines:
            if not line.strip():
                continue
            number += 1
            if number <= start:
                continue
            row, reason = _json_row(line)
            if reason:
                bad[len(rows)] = reason
            rows.append(row)
            if len(rows) == CHUNK_ROWS:
                yield _json_chunk(rows, wanted, bad, number - len(rows), min(raw.tell() / size, 1.0))
                rows, bad = [], {}
        if rows:
            yield _json_chunk(rows, wanted, bad, number - len(rows), 1.0)


def _json_row(line: bytes) -> tuple[dict[str, Any], str]:
    try:
        row = orjson.loads(line)
    except ValueError as error:
        return {}, f"is no JSON: {str(error)[:100]}"
    return (row, "") if isinstance(row, dict) else ({}, "is no JSON object")


def _json_chunk(rows: list[dict[str, Any]], wanted: Sequence[Field], bad: dict[int, str], start: int, share: float) -> Chunk:
    columns = []
    for one in wanted:
        values = [row.get(one.name) for row in rows]
        if all(value is None for value in values) and not any(one.name in row for row in rows):
            continue
        known = _JSON_TYPES[one.kind]
        for place, value in enumerate(values):
            if value is not None and (not isinstance(value, known) or (isinstance(value, bool) and one.kind is not Kind.BOOL)):
                bad.setdefault(place, f"{one.name} is no {one.kind}: {str(value)[:60]!r}")
                values[place] = None
        columns.append(_json_series(one, values))
    return Chunk(start=start, frame=pl.DataFrame(columns) if columns else pl.DataFrame(height=len(rows)), bad=bad, share=share)


def _json_series(one: Field, values: list[Any]) -> pl.Series:
    whole = one.kind is Kind.INT and not any(isinstance(value, float) for value in values)
    types = {Kind.FLOAT: pl.Float64, Kind.INT: pl.Int64 if whole else pl.Float64, Kind.BOOL: pl.Boolean}
    return pl.Series(one.name, values, dtype=types.get(one.kind, pl.String), strict=False)


def _unpacked(file: Path, raw: Any) -> Any:
    """The bytes of a file, out of gzip where its name says so."""
    return gzip.GzipFile(fileobj=raw) if file.suffix.lower() == ".gz" else io.BufferedReader(raw, 1 << 20)
