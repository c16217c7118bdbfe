"""Takes immutable versions of a dataset, and reads them back."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from noria.core.data import DatasetVersion, Part
from noria.core.declaration.dataset import Dataset
from noria.core.errors import DataInvalid
from noria.core.ids import digest_of
from noria.core.schema import Field
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.ports.tables import as_kind, scan
from noria.stages.data.profile import profile
from noria.stages.data.source import open_source, schema_of

PART_ROWS = 1_000_000
"""Most rows of one part; parts that a growing source leaves as they were are stored once."""

_MANIFEST_FORMAT = 1

read = scan


def snapshot(
    spec: Dataset,
    *,
    blobs: Blobs,
    at: datetime,
    previous: DatasetVersion | None = None,
    traffic: pl.DataFrame | None = None,
    scratch: Path,
) -> DatasetVersion:
    """Take the whole source as an immutable version: Parquet parts sorted by time, kept by digest.

    Harvested parts of `previous` are carried over, and `traffic` is appended to them. A traffic
    row whose key the source or an earlier part has already is dropped: the source knows better.
    Nothing but content goes into the digest, so unchanged content is the version it was.

    Args:
        spec: What to take.
        blobs: Where the parts go.
        at: Event time of the snapshot.
        previous: The version that this one grows from.
        traffic: Rows with the dataset's own columns; those that it lacks are null.
        scratch: Folder for files on their way to the store.

    Raises:
        DataInvalid: the source cannot be read, lacks a declared column, or no longer fits what was harvested.
    """
    schema = schema_of(spec)
    source = _source(spec)
    told = _traffic(spec, previous, traffic, schema, blobs)
    harvested = _unseen(told, source, spec.key)
    parts = _keep(source, "source", blobs, scratch)
    for rows, part in harvested:
        parts += [part] if part is not None else _keep(rows, "traffic", blobs, scratch)
    digest = _digest(spec, schema, parts)
    if previous is not None and previous.digest == digest:
        return previous
    return DatasetVersion(
        name=spec.name,
        digest=digest,
        parts=tuple(parts),
        schema=schema,
        profile=profile(pl.concat([source, *(rows for rows, _ in harvested)])),
        rows=sum(part.rows for part in parts),
        size_bytes=sum(part.size_bytes for part in parts),
        created_at=at,
        key=spec.key,
        time=spec.time,
        known=spec.known,
        parent="" if previous is None else previous.digest,
    )


def _source(spec: Dataset) -> pl.DataFrame:
    try:
        return open_source(spec).sort(spec.time, maintain_order=True, nulls_last=True).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataInvalid(f"dataset {spec.name!r} cannot be read: {error}") from error


def _traffic(
    spec: Dataset, previous: DatasetVersion | None, traffic: pl.DataFrame | None, schema: Sequence[Field], blobs: Blobs
) -> list[tuple[pl.DataFrame, Part | None]]:
    """Harvested rows, oldest first, with the part that holds them already."""
    kept = [] if previous is None else [part for part in previous.parts if part.origin == "traffic"]
    told: list[tuple[pl.DataFrame, Part | None]] = [(_aligned(pl.read_parquet(blobs.path(part.digest)), schema), part) for part in kept]
    return told if traffic is None else [*told, (_aligned(traffic, schema).sort(spec.time, spec.key, maintain_order=True), None)]


def _unseen(told: Sequence[tuple[pl.DataFrame, Part | None]], source: pl.DataFrame, key: str) -> list[tuple[pl.DataFrame, Part | None]]:
    """Each key once and none that the source has; a part that lost rows has to be written anew."""
    seen = source.select(key)
    unseen = []
    for rows, part in told:
        fresh = rows.drop_nulls(key).unique(key, keep="last", maintain_order=True).join(seen, on=key, how="anti", maintain_order="left")
        if fresh.height:
            unseen.append((fresh, part if fresh.height == rows.height else None))
            seen = pl.concat([seen, fresh.select(key)])
    return unseen


def _aligned(rows: pl.DataFrame, schema: Sequence[Field]) -> pl.DataFrame:
    absent = [pl.lit(None).alias(field.name) for field in schema if field.name not in rows.columns]
    rows = rows.with_columns(absent)
    try:
        return pl.DataFrame([as_kind(rows[field.name], field.kind) for field in schema])
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"harvested rows do not fit the source any more: {error}", fix="keep the kinds of its columns") from error


def _keep(rows: pl.DataFrame, origin: str, blobs: Blobs, scratch: Path) -> list[Part]:
    """Write rows as parts; the same rows make the same bytes."""
    scratch.mkdir(parents=True, exist_ok=True)
    parts = []
    for part in rows.iter_slices(PART_ROWS):
        with tempfile.NamedTemporaryFile(dir=scratch, suffix=".parquet") as file:
            part.write_parquet(file.name, compression="zstd", compression_level=3, row_group_size=256_000)
            path = Path(file.name)
            parts.append(Part(digest=blobs.put(path), rows=part.height, size_bytes=path.stat().st_size, origin=origin))
    return parts


def _digest(spec: Dataset, schema: Sequence[Field], parts: Sequence[Part]) -> str:
    manifest = {
        "format": _MANIFEST_FORMAT,
        "name": spec.name,
        "roles": [spec.key, spec.time, spec.known],
        "schema": [[field.name, field.kind] for field in schema],
        "parts": [[part.digest, part.origin] for part in parts],
    }
    return digest_of(wire.dump(manifest))
