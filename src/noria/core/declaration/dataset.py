"""`Dataset`, its columns, its expectations, and `Label`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from noria.core.moments import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One thing that must hold of a column; a version that misses it stops its turn.

    Attributes:
        check: "not-null", "between", "one-of", "unique", "kind" or "fresh".
        column: The column it is about.
        share: At most this share of rows may miss it (0 = none).
    """

    check: str
    column: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    kind: str = ""
    within: timedelta | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Some columns of a dataset: `flights["carrier", "origin"]`."""

    dataset: Dataset
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named table with a key and a time.

    Args:
        name: Its name in Noria.
        source: A path or glob of Parquet or CSV files, or any Arrow-capable frame
            (pandas, Polars, pyarrow, DuckDB relation).
        key: Column that identifies a row (or, for a feature source, the entity).
        time: Column with the event time of a row.
        known: Column with the time at which the row became known; `time` when left out.
        expect: What must hold of it, see `noria.expect`.
    """

    name: str
    source: Any
    key: str = field(kw_only=True)
    time: str = field(kw_only=True)
    known: str = field(default="", kw_only=True)
    expect: tuple[Expectation, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expect", tuple(self.expect))

    def __getitem__(self, names: str | tuple[str, ...]) -> Columns:
        return Columns(dataset=self, names=(names,) if isinstance(names, str) else tuple(names))

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return self is other


@dataclass(frozen=True, slots=True)
class Label:
    """What the model learns to predict.

    Args:
        columns: One column, `flights["late"]`.
        delay: How long after a row's time its outcome is known.
        task: "binary", "multiclass", "regression", "ranking" or "forecast"; one of the first three is
            found from the column when left out.
        group: Of a ranking: the column that says which query a row belongs to.
        series: Of a forecast: the column that says which series a row belongs to.
        season: Of a forecast: after how long a series resembles itself; the value one season ago is
            what a forecast is held against.
    """

    columns: Columns
    delay: timedelta
    task: str
    group: str
    series: str
    season: timedelta

    def __init__(
        self,
        columns: Columns,
        delay: str | timedelta = "0s",
        *,
        task: str = "",
        group: str = "",
        series: str = "",
        season: str | timedelta = "7d",
    ) -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "delay", duration(delay))
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "series", series)
        object.__setattr__(self, "season", duration(season))

    @property
    def column(self) -> str:
        """The label's column name."""
        return self.columns.names[0]

    @property
    def together(self) -> str:
        """The column that says which rows belong together: the query, or the series; "" = none does."""
        return self.group or self.series
