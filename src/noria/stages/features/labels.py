"""Finds what kind of answer a label asks for, and turns it into numbers."""

from __future__ import annotations

import polars as pl

from noria.core.errors import DataInvalid
from noria.core.schema import Kind, Task
from noria.packaging.encoding import kind_of

FEW = 20
"""Most distinct whole numbers that still count as classes."""


def encoded(label: pl.Series, task: Task | None) -> tuple[pl.Series, Task, tuple[str, ...]]:
    """The label as numbers, the task and the classes (binary: negative, positive; otherwise sorted).

    Binary labels become 0/1, multi-class ones the place of their class, both int64; regression
    ones float64. Without a task, two values are binary, text or few whole numbers multi-class,
    other numbers regression.

    Args:
        label: Values without nulls.
        task: What was declared, if anything.

    Raises:
        DataInvalid: one class only, more than two for a binary task, or text to regress on.
    """
    values = label.unique().drop_nulls().sort()
    task = task if task is not None else _found(values)
    if task.numeric:
        return _numbers(label), task, ()
    if kind_of(label.dtype) is Kind.TIME:
        raise DataInvalid(f"label {label.name!r} is a time, which is no class", fix="choose another label column")
    if values.len() < 2:
        raise DataInvalid(
            f"label {label.name!r} has one class only ({_texts(values)[0]}) in {label.len()} rows", fix="widen the retrain window"
        )
    if task is Task.BINARY and values.len() > 2:
        raise DataInvalid(
            f"label {label.name!r} is declared binary, but has {values.len()} values: {', '.join(_texts(values)[:10])}",
            fix='declare the task "multiclass" or "regression"',
        )
    codes = label.replace_strict(values, pl.Series(range(values.len()), dtype=pl.Int64), return_dtype=pl.Int64)
    return codes, task, _texts(values)


def _found(values: pl.Series) -> Task:
    kind = kind_of(values.dtype)
    if kind is Kind.BOOL or values.len() == 2:
        return Task.BINARY
    if kind is Kind.TEXT or (kind is Kind.INT and values.len() <= FEW):
        return Task.MULTICLASS
    return Task.REGRESSION


def _numbers(label: pl.Series) -> pl.Series:
    if not label.dtype.is_numeric() and label.dtype != pl.Boolean:
        raise DataInvalid(f"label {label.name!r} is {kind_of(label.dtype)}, which cannot be regressed on", fix="choose a column of numbers")
    return label.cast(pl.Float64)


def _texts(values: pl.Series) -> tuple[str, ...]:
    """Classes as people write them: false, true, 0, 1, jfk."""
    if values.dtype == pl.Boolean:
        return tuple("true" if value else "false" for value in values)
    return tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
