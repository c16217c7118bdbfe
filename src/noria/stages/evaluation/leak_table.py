"""A training table as the check before training sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from numpy.typing import NDArray

from noria.core.schema import Field, Task
from noria.stages.evaluation.scorecards import time_blocks

KEY, TIME, LABEL = "__key", "__time", "__label"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A training table as the check sees it.

    Attributes:
        frame: `__key`, `__time`, `__label` and the raw features, in time order.
        trains: How many of its rows, the oldest, train; the others judge.
        groups: The same rows with columns that are no features, or an empty frame.
        late: Features of views whose dataset does not say when its rows became known, by view.
    """

    frame: pl.DataFrame
    trains: int
    fields: Sequence[Field]
    task: Task
    groups: pl.DataFrame = field(default_factory=pl.DataFrame)
    late: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The features."""
        return [one.name for one in self.fields]

    @property
    def old(self) -> pl.DataFrame:
        """The rows that train."""
        return self.frame.head(self.trains)

    @property
    def new(self) -> pl.DataFrame:
        """The rows that judge."""
        return self.frame.slice(self.trains)


def blocks_of(rows: pl.DataFrame) -> NDArray | None:
    """The block of time of each row, as in `time_blocks`."""
    return time_blocks(rows[TIME].to_numpy().astype("datetime64[ms]"))
