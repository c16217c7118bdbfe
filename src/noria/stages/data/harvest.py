"""Turns predictions and their outcomes into new rows of the dataset that the model learns from."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind, Task
from noria.core.traffic import Role
from noria.ports.tables import DTYPES, as_kind

_ANSWERED = (Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK)


def harvest(
    predictions: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    fields: Sequence[Field],
    label: str,
    task: Task,
    classes: Sequence[str] = (),
) -> pl.DataFrame:
    """Rows with the dataset's own columns: what was asked (`in:` columns), and what came of it.

    Each request counts once, whichever versions computed it, with the outcome told last (by its
    time, then by its place in the log). Requests without an outcome that a model could learn from
    are left out.

    Args:
        predictions: Prediction log.
        outcomes: Outcome log.
        fields: The dataset's columns; one that was not asked for is null.
        label: The column that the outcome goes to.
        task: Tells the label's kind where `fields` does not have it.
        classes: (negative, positive), to turn 0/1 outcomes back into a text label.

    Raises:
        DataInvalid: a logged value does not fit the kind of its field.
    """
    asked = predictions.filter(pl.col("role").is_in(_ANSWERED)).unique("request_id", keep="last", maintain_order=True)
    told = outcomes.filter(pl.col("value").is_not_null()).sort("time", maintain_order=True).unique("request_id", keep="last")
    rows = asked.join(told.select("request_id", pl.col("value").alias("__outcome")), on="request_id", how="inner", maintain_order="left")
    held = list(fields)
    if label not in {field.name for field in fields}:
        held.append(Field(name=label, kind=_label_kind(task, classes)))
    columns = [_label(rows["__outcome"], field, classes) if field.name == label else _input(rows, field) for field in held]
    return pl.DataFrame(columns).drop_nulls(label)


def _label_kind(task: Task, classes: Sequence[str]) -> Kind:
    if task is Task.BINARY and classes:
        return Kind.TEXT
    return {Task.BINARY: Kind.INT, Task.MULTICLASS: Kind.TEXT}.get(task, Kind.FLOAT)


def _input(rows: pl.DataFrame, field: Field) -> pl.Series:
    logged = f"in:{field.name}"
    if logged not in rows.columns:
        return pl.Series(field.name, [None] * rows.height, dtype=DTYPES[field.kind])
    return _cast(rows[logged], field)


def _label(values: pl.Series, target: Field, classes: Sequence[str]) -> pl.Series:
    if target.kind is Kind.TEXT and len(classes) == 2 and values.dtype.is_numeric():
        values = values.cast(pl.Int64).replace_strict({0: classes[0], 1: classes[1]}, default=None, return_dtype=pl.String)
    if target.kind is not Kind.TEXT and values.dtype == pl.String:
        values = values.replace({"true": "1", "false": "0"}).cast(pl.Float64, strict=False)
    return _cast(values, target)


def _cast(values: pl.Series, field: Field) -> pl.Series:
    try:
        return as_kind(values, field.kind).alias(field.name)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"logged values of {field.name!r} are not {field.kind}: {error}") from error
