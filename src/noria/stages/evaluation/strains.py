"""What may happen to inputs on their way: noise, holes, unseen texts, a wrong unit, two columns swapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import polars as pl

from noria.core.schema import Field, Kind

UNSEEN = "\N{REPLACEMENT CHARACTER} never seen"

Strained = Callable[[pl.DataFrame, Sequence[Field], float, pl.DataFrame, np.random.Generator], pl.DataFrame]
"""(rows, fields to strain, severity, reference, randomness) to the same rows, strained."""


def noise(
    frame: pl.DataFrame, fields: Sequence[Field], severity: float, reference: pl.DataFrame, random: np.random.Generator
) -> pl.DataFrame:
    """Add normal noise of `severity` standard deviations; whole numbers stay whole."""

    def shaken(field: Field) -> pl.Series:
        column = frame[field.name]
        spread = float(reference[field.name].cast(pl.Float64).fill_nan(None).std() or 0.0)  # type: ignore[arg-type]
        moved = column.cast(pl.Float64) + pl.Series(random.normal(0.0, severity * spread, frame.height))
        return moved.round().cast(column.dtype, strict=False) if column.dtype.is_integer() else moved.cast(column.dtype)

    return frame.with_columns(shaken(field).alias(field.name) for field in fields)


def missing(frame: pl.DataFrame, fields: Sequence[Field], severity: float, _: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Take the value away from a share of rows, in each column on its own."""
    holes = {field.name: pl.Series(random.random(frame.height) < severity) for field in fields}
    return frame.with_columns(pl.when(~hole).then(pl.col(name)).alias(name) for name, hole in holes.items())


def unseen(frame: pl.DataFrame, fields: Sequence[Field], severity: float, _: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Put a text that nobody has seen in a share of rows."""
    struck = {field.name: pl.Series(random.random(frame.height) < severity) for field in fields}
    return frame.with_columns(
        pl.when(hit).then(pl.lit(UNSEEN)).otherwise(pl.col(name).cast(pl.String)).alias(name) for name, hit in struck.items()
    )


def scaled(frame: pl.DataFrame, fields: Sequence[Field], severity: float, _: pl.DataFrame, __: np.random.Generator) -> pl.DataFrame:
    """Multiply by a factor: metres for kilometres, cents for euros."""
    return frame.with_columns(
        (pl.col(field.name).cast(pl.Float64) * severity).cast(frame[field.name].dtype, strict=False).alias(field.name) for field in fields
    )


def swapped(frame: pl.DataFrame, fields: Sequence[Field], _: float, __: pl.DataFrame, ___: np.random.Generator) -> pl.DataFrame:
    """Exchange the values of two columns."""
    one, other = (field.name for field in fields)
    return frame.with_columns(pl.col(other).cast(frame[one].dtype).alias(one), pl.col(one).cast(frame[other].dtype).alias(other))


STRAINS: Mapping[str, tuple[Strained, tuple[float, ...], frozenset[Kind]]] = MappingProxyType(
    {
        "noise": (noise, (0.1, 0.3, 1.0), frozenset({Kind.INT, Kind.FLOAT})),
        "missing": (missing, (0.05, 0.2, 0.5), frozenset(Kind)),
        "unseen": (unseen, (0.05, 0.2, 0.5), frozenset({Kind.TEXT})),
        "scaled": (scaled, (10.0,), frozenset({Kind.INT, Kind.FLOAT})),
        "swapped": (swapped, (1.0,), frozenset({Kind.INT, Kind.FLOAT})),
    }
)
"""Each strain, its severities, and the kinds of feature that it is for."""
