"""The reference cut into chunks of time: its rows in order, and where each chunk begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from noria.stages.monitoring.bins import Codes


def _no_phases() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunks:
    """Chunks of rows that follow each other in time; none is empty.

    Attributes:
        starts: The row with which each chunk begins, and the number of rows, shape (chunks + 1,).
        order: Places of the rows in order of time; None = they are in it.
        phases: Phase of each chunk in its season, shape (chunks,); empty = no season.
        season: How many phases there are; 0 = no season.
    """

    starts: Codes
    order: Codes | None = None
    phases: NDArray[np.int64] = field(default_factory=_no_phases)
    season: int = 0

    @classmethod
    def of(cls, times: ArrayLike, chunk: timedelta, season: timedelta | None = None) -> Chunks:
        """Cut rows at whole multiples of a chunk's length since 1970, UTC; phases are counted in the same way."""
        numbers = chunk_numbers(times, chunk)
        order = None if (numbers[1:] >= numbers[:-1]).all() else np.argsort(numbers, kind="stable")
        ordered = numbers if order is None else numbers[order]
        starts = np.concatenate([np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1)), [len(ordered)]])
        phases = 0 if season is None else max(1, round(season / chunk))
        return cls(starts=starts, order=order, phases=ordered[starts[:-1]] % phases if phases else _no_phases(), season=phases)

    @classmethod
    def one(cls, rows: int) -> Chunks:
        """All rows in one chunk."""
        return cls(starts=np.array([0, rows] if rows else [0]))

    @property
    def many(self) -> int:
        """How many chunks there are."""
        return len(self.starts) - 1

    @property
    def rows(self) -> Codes:
        """How many rows each chunk has."""
        return np.diff(self.starts)

    @property
    def of_row(self) -> Codes:
        """The chunk of each row, in order."""
        return np.repeat(np.arange(self.many), self.rows)

    def ordered(self, values: pl.Series) -> pl.Series:
        """A column in order of time."""
        return values if self.order is None else values.gather(self.order)

    def sums(self, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many rows of each chunk are marked."""
        return np.add.reduceat(marked, self.starts[:-1], dtype=np.int64) if self.many else np.zeros(0, dtype=np.int64)


def chunk_numbers(times: ArrayLike, chunk: timedelta) -> NDArray[np.int64]:
    """The number of each moment's chunk since 1970, shape (rows,)."""
    moments = np.asarray(times).astype("datetime64[ms]").astype(np.int64)
    return moments // max(round(chunk.total_seconds() * 1000), 1)
