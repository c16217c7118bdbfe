"""Opens the two tables of a check as one: the same columns with the same kinds, and what did not fit said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from noria.core.errors import DataInvalid
from noria.core.schema import Kind
from noria.packaging.encoding import kind_of
from noria.ports.tables import DTYPES, as_kind
from noria.stages.data.source import rows_of

NUMBERS = (Kind.BOOL, Kind.INT, Kind.FLOAT)
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Both tables, with one Polars type per kind of column.

    Attributes:
        kinds: Of each column that both have and that can be compared, in the reference's order.
        gone, new: Columns of one side only.
        changed: Columns whose kind is another one now: name to (before, now).
        notes: Columns that cannot be looked at, in words.
    """

    before: pl.DataFrame
    now: pl.DataFrame
    kinds: dict[str, Kind]
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    changed: dict[str, tuple[Kind, Kind]]
    notes: tuple[str, ...] = ()


def open_tables(reference: Any, current: Any, *, time: str = "", columns: Sequence[str] = (), ignore: Sequence[str] = ()) -> Tables:
    """Read both sides.

    Args:
        reference, current: A path, glob or folder (Parquet, CSV, JSON lines, Arrow), or any Arrow-capable frame.
        time: The column with the event time; text is read as ISO 8601.
        columns: Look at these only; all when empty.
        ignore: Do not look at these.

    Raises:
        DataInvalid: a side cannot be read or has no row, or a named column is on neither side.
    """
    opened = [_read(side, name, time) for side, name in ((reference, "reference"), (current, "current"))]
    (before, odd_before), (now, odd_now) = opened
    known = {*before.columns, *now.columns}
    _all_there([*columns, *ignore, *([time] if time else [])], known)
    wanted = [
        name for name in dict.fromkeys([*before.columns, *now.columns]) if (not columns or name in {*columns, time}) and name not in ignore
    ]
    shared = [name for name in wanted if name in before.columns and name in now.columns]
    pairs = {name: _kinds(before[name], now[name]) for name in shared}
    kinds = {name: kind for name, (kind, other) in pairs.items() if kind is other}
    fitted = [side.with_columns(side[name].cast(DTYPES[kind]) for name, kind in kinds.items()) for side in (before, now)]
    odd = {name: odd_before.get(name) or odd_now[name] for name in (odd_before.keys() | odd_now.keys()) if not columns or name in columns}
    return Tables(
        before=fitted[0],
        now=fitted[1],
        kinds=kinds,
        gone=tuple(name for name in wanted if name not in now.columns and name not in odd),
        new=tuple(name for name in wanted if name not in before.columns and name not in odd),
        changed={name: pair for name, pair in pairs.items() if pair[0] is not pair[1]},
        notes=_notes({name: dtype for name, dtype in sorted(odd.items()) if name not in ignore}),
    )


def name_of(source: Any, otherwise: str) -> str:
    """What to call a side: its file, or what it is to the check."""
    return Path(source).name or otherwise if isinstance(source, (str, Path)) else otherwise


def _read(source: Any, name: str, time: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """The columns that can be compared, NaN as null, and the types of the others."""
    rows = rows_of(source, name=name)
    kinds, odd = {}, {}
    for column, dtype in rows.collect_schema().items():
        try:
            kinds[column] = kind_of(dtype)
        except DataInvalid:
            odd[column] = str(dtype)
    frame = rows.select(_cast(column, kind) for column, kind in kinds.items()).collect()
    if frame.height == 0:
        raise DataInvalid(f"{name}: there is no row in it", fix="name a table with rows")
    return (_with_moments(frame, name, time) if time in frame.columns else frame), odd


def _cast(name: str, kind: Kind) -> pl.Expr:
    column = pl.col(name).cast(DTYPES[kind])
    return column.fill_nan(None) if kind is Kind.FLOAT else column


def _with_moments(frame: pl.DataFrame, name: str, time: str) -> pl.DataFrame:
    """The frame with its time column as moments, without rows that have none."""
    column = frame[time]
    if not column.dtype.is_temporal():
        if column.dtype != pl.String:
            raise DataInvalid(
                f"{name}: the time column {time!r} holds {column.dtype}, not moments", fix="store it as a timestamp or ISO text"
            )
        try:
            frame = frame.with_columns(as_kind(column, Kind.TIME))
        except (ValueError, pl.exceptions.PolarsError) as error:
            raise DataInvalid(f"{name}: the time column {time!r} is not ISO 8601: {error}") from error
    return frame.drop_nulls(time)


def _kinds(before: pl.Series, now: pl.Series) -> tuple[Kind, Kind]:
    """The kinds of both sides; numbers of different widths are of one kind, and an empty column of its counterpart's."""
    one, other = kind_of(before.dtype), kind_of(now.dtype)
    if one is other:
        return one, other
    if one in NUMBERS and other in NUMBERS:
        wider = Kind.FLOAT if Kind.FLOAT in (one, other) else Kind.INT
        return wider, wider
    if now.null_count() == now.len():
        return one, one
    if before.null_count() == before.len():
        return other, other
    return one, other


def _all_there(named: Sequence[str], known: set[str]) -> None:
    absent = [name for name in named if name not in known]
    if absent:
        there = ", ".join(sorted(known)[:40])
        raise DataInvalid(f"there is no column {', '.join(map(repr, absent))} on either side", fix=f"there are {there}")


def _notes(odd: dict[str, str]) -> tuple[str, ...]:
    if not odd:
        return ()
    listed = ", ".join(f"{name} ({dtype})" for name, dtype in list(odd.items())[:_NAMED])
    more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
    return (f"Not looked at, since neither numbers, text, bool nor time: {listed}{more}.",)
