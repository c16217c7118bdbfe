"""What each column is to a check: something that may drift, an outcome, an answer, a clock, or a name of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from noria.checks.tables import Tables
from noria.core.errors import DataInvalid
from noria.core.schema import Kind

FEWEST_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Column to role, for the columns that both sides have with the same kind; `judged` are those whose drift says something."""

    of: dict[str, str]
    judged: tuple[str, ...]
    notes: tuple[str, ...] = ()


def roles_of(tables: Tables, *, time: str, label: str, scores: Sequence[str]) -> Roles:
    """Give each column its role.

    Raises:
        DataInvalid: no column is left to judge, or label and score are one column.
    """
    if label and label in scores:
        raise DataInvalid(f"the column {label!r} cannot be both label and score", fix="name the column with the model's answers as score")
    of = {name: _role(name, kind, tables, time=time, label=label, scores=scores) for name, kind in tables.kinds.items()}
    judged = tuple(name for name, role in of.items() if role in ("feature", "label", "score"))
    if not judged:
        raise DataInvalid("no column is on both sides with the same kind, so there is nothing to hold against each other")
    named = [name for name, role in of.items() if role == "id"]
    notes = (f"Not judged, since each row has its own: {', '.join(named[:8])}.",) if named else ()
    return Roles(of=of, judged=judged, notes=notes)


def _role(name: str, kind: Kind, tables: Tables, *, time: str, label: str, scores: Sequence[str]) -> str:
    if name == label:
        return "label"
    if name in scores:
        return "score"
    if kind is Kind.TIME:
        return "time"
    return "id" if name != time and _names_rows(tables.before[name], kind) and _names_rows(tables.now[name], kind) else "feature"


def _names_rows(column: pl.Series, kind: Kind) -> bool:
    """Whether each row has a text, or a number of a dense sequence, of its own."""
    if column.len() < FEWEST_ROWS or kind not in (Kind.TEXT, Kind.INT) or column.null_count() or column.n_unique() < column.len():
        return False
    return kind is Kind.TEXT or int(column.max()) - int(column.min()) < 2 * column.len()  # type: ignore[arg-type]
