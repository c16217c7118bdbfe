"""From the journal to Parquet: every frame once, whatever dies on the way.

A chunk's parts are written under pending names and synced; the first rename commits the chunk, and a
crash after it is finished by the next call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from noria.core.errors import DataInvalid
from noria.core.moments import from_ms, to_ms
from noria.ports.journal import Chunk, JournalReader
from noria.stages.serving.frames import Explanations, Outcomes, Predictions, decode
from noria.stages.serving.log_tables import explanations_table, outcomes_table, predictions_table
from noria.stages.serving.parts import EXPLANATIONS, OUTCOMES, PREDICTIONS, TABLES, Part, all_parts, compacted_to, covered, parts
from noria.stages.serving.whole_files import alone, sync_file, sync_folder

MERGED_ROWS = 100_000
"""Rows of a merged part, at most."""

LONGER = 10
"""An explanation's row is this many times as long as others."""

MERGING = "merging-"
"""What the name of a half-written merged part starts with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What one call brought into the log for one deployment."""

    predictions: int = 0
    outcomes: int = 0
    explanations: int = 0
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What one call of `compact` brought into the log.

    Attributes:
        arrived: Deployment to its new rows with their time span.
        unreadable: Frames that no Noria wrote; they are passed over.
    """

    arrived: Mapping[str, Arrived] = field(default_factory=dict)
    unreadable: int = 0

    @property
    def predictions(self) -> int:
        """New prediction rows of all deployments."""
        return sum(one.predictions for one in self.arrived.values())

    @property
    def outcomes(self) -> int:
        """New outcome rows of all deployments."""
        return sum(one.outcomes for one in self.arrived.values())

    @property
    def rows(self) -> int:
        """New rows of all kinds and deployments."""
        return sum(one.predictions + one.outcomes + one.explanations for one in self.arrived.values())


def compact(reader: JournalReader, folder: Path, *, limit: int = 200_000) -> Compacted:
    """Bring at most `limit` frames that the journal holds and the log does not into `folder`, and forget finished sources.

    Processes take turns. Calling it again after a crash loses nothing and doubles nothing.
    """
    with alone(folder):
        finish(folder)
        since = compacted_to(all_parts(folder))
        written: list[Part] = []
        unreadable = 0
        for chunk in reader.read(since, limit=limit):
            made, passed_over = _write(chunk, folder)
            _commit(made)
            written.extend(made)
            unreadable += passed_over
            limit -= len(chunk.frames)
            if limit <= 0:
                break
        for source in compacted_to([*all_parts(folder)]):
            reader.forget(source)
        return Compacted(arrived=_arrived(written), unreadable=unreadable)


def finish(folder: Path) -> None:
    """Bring to its end what a crash interrupted: commit chunks whose first part was committed, drop the others."""
    found = list(all_parts(folder))
    committed = {(part.source, part.begin, part.end) for part in found if not part.pending}
    for torn in folder.glob(f"*/*/{MERGING}*"):
        torn.unlink()
    for part in found:
        if part.pending and (part.source, part.begin, part.end) in committed:
            part.path.replace(replace(part, pending=False).path)
            sync_folder(part.folder)
        elif part.pending:
            part.path.unlink()


def tidy(folder: Path, deployment: str, before: datetime, *, rows: int = MERGED_ROWS) -> int:
    """Merge neighbouring parts that end before a moment, up to `rows` rows each; return how many files fewer there are.

    The merged file's name covers theirs, so a crash before they are removed shows no row twice.
    """
    with alone(folder):
        finish(folder)
        removed = 0
        for table in TABLES:
            place = folder / deployment / table
            for run in _runs(parts(place), to_ms(before), rows // LONGER if table == EXPLANATIONS else rows):
                _merge(run)
                removed -= 1
            for part in covered(place):
                part.path.unlink()
                removed += 1
        return removed


def _write(chunk: Chunk, folder: Path) -> tuple[list[Part], int]:
    answered: dict[str, list[Predictions]] = defaultdict(list)
    told: dict[str, list[Outcomes]] = defaultdict(list)
    explained: dict[str, list[Explanations]] = defaultdict(list)
    unreadable = 0
    for data in chunk.frames:
        try:
            frame = decode(data)
        except DataInvalid:
            unreadable += 1
            continue
        if isinstance(frame, Predictions):
            answered[frame.deployment].append(frame)
        elif isinstance(frame, Outcomes):
            told[frame.deployment].append(frame)
        else:
            explained[frame.deployment].append(frame)
    made = [_part(chunk, folder / name / PREDICTIONS, predictions_table(frames)) for name, frames in answered.items()]
    made += [_part(chunk, folder / name / OUTCOMES, outcomes_table(frames)) for name, frames in told.items()]
    made += [_part(chunk, folder / name / EXPLANATIONS, explanations_table(frames)) for name, frames in explained.items()]
    return made, unreadable


def _part(chunk: Chunk, folder: Path, table: pl.DataFrame) -> Part:
    start, end = table["time"].cast(pl.Int64).min(), table["time"].cast(pl.Int64).max()
    part = Part(
        folder=folder,
        start_ms=int(start),  # type: ignore[arg-type]
        end_ms=int(end),  # type: ignore[arg-type]
        rows=table.height,
        source=chunk.source,
        begin=chunk.start,
        end=chunk.end,
        pending=True,
    )
    _store(table, part.path)
    return part


def _store(table: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(path, compression="zstd", compression_level=1, statistics=True, row_group_size=20_000)
    sync_file(path)


def _commit(pending: Iterable[Part]) -> None:
    for part in pending:
        part.path.replace(replace(part, pending=False).path)
        sync_folder(part.folder)


def _runs(held: Sequence[Part], before_ms: int, rows: int) -> Iterator[list[Part]]:
    """Two or more neighbours of one source, all old, that together hold at most `rows` rows.

    A young part ends a run: the merged name would cover it.
    """
    run: list[Part] = []
    for part in sorted(held, key=lambda part: (part.source, part.begin)):
        old = part.end_ms < before_ms
        fits = run and run[0].source == part.source and sum(one.rows for one in run) + part.rows <= rows
        if old and fits:
            run.append(part)
            continue
        if len(run) > 1:
            yield run
        run = [part] if old else []
    if len(run) > 1:
        yield run


def _merge(run: Sequence[Part]) -> None:
    table = pl.concat([pl.read_parquet(part.path) for part in run], how="diagonal_relaxed")
    if run[0].folder.name == PREDICTIONS:
        table = table.sort("time", maintain_order=True)
    merged = Part(
        folder=run[0].folder,
        start_ms=min(part.start_ms for part in run),
        end_ms=max(part.end_ms for part in run),
        rows=table.height,
        source=run[0].source,
        begin=run[0].begin,
        end=run[-1].end,
    )
    fresh = merged.path.with_name(MERGING + merged.path.name)
    _store(table, fresh)
    fresh.replace(merged.path)
    sync_folder(merged.folder)


def _arrived(written: Sequence[Part]) -> dict[str, Arrived]:
    by_deployment: dict[str, list[Part]] = defaultdict(list)
    for part in written:
        by_deployment[part.folder.parent.name].append(part)
    return {
        name: Arrived(
            predictions=sum(part.rows for part in made if part.folder.name == PREDICTIONS),
            outcomes=sum(part.rows for part in made if part.folder.name == OUTCOMES),
            explanations=sum(part.rows for part in made if part.folder.name == EXPLANATIONS),
            start=from_ms(min(part.start_ms for part in made)),
            end=from_ms(max(part.end_ms for part in made)),
        )
        for name, made in by_deployment.items()
    }
