"""A span of the prediction log in pieces that fit: each request once, some columns and some rows at a time.

A day of a million requests with a thousand features is eight gigabytes. First a narrow pass finds
the rows that count; then features are read a few dozen at a time, from one slice of one part after
another, and whoever looks keeps only what it made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.moments import to_ms
from noria.core.traffic import Role
from noria.stages.serving.parts import PREDICTIONS, Part, parts

ROWS, COLUMNS = 100_000, 64
"""Of a piece, at most: 51 MB of numbers."""

_SEED = 20_130_101


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """Which rows of which parts count: those of the span and the roles, each request once.

    Attributes:
        rows: `part` and `row` (its place in the part), `version`, `answer` and, for many classes, `answers`.
    """

    parts: tuple[Part, ...]
    rows: pl.DataFrame

    def pieces(self, names: Mapping[str, Sequence[str]]) -> Iterator[pl.DataFrame]:
        """Give the wanted columns piece by piece: each row comes once for each column, a column that a part lacks as nulls.

        Args:
            names: What a column shall be called to what it may be called in the log, first choice first.

        Raises:
            FileNotFoundError: a part was merged away meanwhile; begin again with `given`.
        """
        for place, part in enumerate(self.parts):
            rows = self.rows.filter(pl.col("part") == place)["row"].to_numpy()
            if len(rows) == 0:
                continue
            there = set(pl.read_parquet_schema(part.path))
            found = {name: next((one for one in choices if one in there), None) for name, choices in names.items()}
            for begin in range(0, part.rows, ROWS):
                inside = rows[(rows >= begin) & (rows < begin + ROWS)] - begin
                if len(inside):
                    yield from _slice(part.path, begin, inside, found)


def given(folder: Path, deployment: str, *, since: datetime, until: datetime, roles: Sequence[Role]) -> Given:
    """Find the rows with since ≤ time < until that were computed in one of the roles; of a request asked twice, the first."""
    low, high = to_ms(since), to_ms(until)
    held = [part for part in parts(folder / deployment / PREDICTIONS) if part.end_ms >= low and part.start_ms < high]
    found = [_narrow(part, place, since, until, roles) for place, part in enumerate(held)]
    if not found:
        return Given(parts=(), rows=pl.DataFrame(schema={"part": pl.UInt32, "row": pl.UInt32, "version": pl.Int64, "answer": pl.Float64}))
    rows = pl.concat(found, how="diagonal_relaxed").unique("request", keep="first", maintain_order=True).drop("request")
    return Given(parts=tuple(held), rows=rows)


def _narrow(part: Part, place: int, since: datetime, until: datetime, roles: Sequence[Role]) -> pl.DataFrame:
    answers = [name for name in ("answers",) if name in pl.read_parquet_schema(part.path)]
    rows = pl.scan_parquet(part.path, row_index_name="row").select("row", "request_id", "role", "time", "version", "answer", *answers)
    within = (pl.col("time") >= since) & (pl.col("time") < until) & pl.col("role").is_in([str(role) for role in roles])
    table = rows.filter(within).drop("role", "time").with_columns(request=pl.col("request_id").hash(_SEED)).drop("request_id").collect()
    return table.with_columns(pl.col("row").cast(pl.UInt32), part=pl.lit(place, dtype=pl.UInt32))


def _slice(path: Path, begin: int, inside: np.ndarray, found: Mapping[str, str | None]) -> Iterator[pl.DataFrame]:
    nothing = [name for name, column in found.items() if column is None]
    if nothing:
        yield pl.DataFrame([pl.Series(name, [None] * len(inside), dtype=pl.Null) for name in nothing])
    wanted = [(name, column) for name, column in found.items() if column is not None]
    for start in range(0, len(wanted), COLUMNS):
        columns = [pl.col(column).alias(name) for name, column in wanted[start : start + COLUMNS]]
        piece = pl.scan_parquet(path).slice(begin, ROWS).select(columns).collect()
        yield piece if len(inside) == piece.height else piece[inside]
