"""What one look of a monitor is given: the champion, the watch, and the chunk of time that has closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from noria.core.declaration.watch import Watch
from noria.core.registry import ModelVersion
from noria.core.schema import Signature
from noria.core.watching import DriftReference, Reading
from noria.loop.beside import name_of
from noria.loop.estimating import Held, held
from noria.loop.outcomes import GIVEN, OWN
from noria.loop.world import Declared, World
from noria.ports import wire
from noria.ports.records import Write
from noria.stages.registry import versions

__all__ = ["GIVEN", "OWN", "Monitor", "Span", "Watched", "feature_frame", "logged_as", "watched_champion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the monitors look at: the champion, since when it reigns, and what it was made from.

    Attributes:
        held: What is kept of the rows that judged it; None = nothing can be estimated.
    """

    version: ModelVersion
    reference: DriftReference
    since: datetime
    newest_row: datetime
    held: Held | None = None

    @property
    def sample(self) -> pl.DataFrame | None:
        """Features of some rows that judged it."""
        return self.held.sample if self.held else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One closed chunk [start, end) of one watch, with all that a monitor may look at.

    Attributes:
        kept: What the monitors of one look have worked out already, by a name; they share it.
        also: What a monitor wants to be committed together with its readings.
    """

    world: World
    declared: Declared
    watched: Watched
    watch: Watch
    start: datetime
    end: datetime
    kept: dict[str, object] = field(default_factory=dict)
    also: list[Write] = field(default_factory=list)

    @property
    def loop(self) -> str:
        """The loop's name."""
        return self.declared.loop.name

    @property
    def beside(self) -> bytes | None:
        """What this watch compares with beyond the version's reference, as it was kept; None = this version has nothing of the kind."""
        digest = self.watched.reference.beside.get(name_of(self.watch))
        return None if digest is None else self.world.blobs.read(digest)

    @property
    def signature(self) -> Signature:
        """What the champion takes and gives."""
        return self.watched.version.candidate.signature


Monitor = Callable[[Span], list[Reading]]
"""Reads one chunk; asked once per chunk, again if the process died before the readings were committed."""


def watched_champion(world: World, loop: str, number: int, since: datetime) -> Watched:
    """The champion as the monitors need it."""
    version = versions.get(world.records, loop, number)
    reference = wire.load(world.blobs.read(version.reference), DriftReference)
    return Watched(version=version, reference=reference, since=since, newest_row=version.scorecard.end, held=held(reference, world.blobs))


def logged_as(feature: str) -> tuple[str, str]:
    """Columns of the prediction log that may hold a feature, first choice first: as it was computed or looked up, as it was asked with."""
    return f"f:{feature}", f"in:{feature}"


def feature_frame(rows: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Features as the model saw them, from the prediction log's `in:` and `f:` columns."""
    columns = []
    for feature in signature.features:
        name = next((column for column in logged_as(feature.name) if column in rows.columns), None)
        if name is not None:
            columns.append(pl.col(name).alias(feature.name))
    return rows.select(columns)
