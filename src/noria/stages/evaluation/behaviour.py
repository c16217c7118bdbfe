"""Tests of behaviour: what must not change an answer, and which way it must move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.declaration.conduct import BehaviourGate
from noria.core.examination.stress import Behaviour, Example
from noria.core.schema import Estimate, Field, Kind, Task
from noria.stages.evaluation.estimates import unknown
from noria.stages.evaluation.intervals import interval, spread_of
from noria.stages.evaluation.measured import Array, mean_of
from noria.stages.evaluation.stress import Answer

VALUES = 5
"""Values that a column is set to, when the test names none."""

STEPS = (0.25, 1.0)
"""A number is moved by so many standard deviations."""

SHOWN = 5
TOLERANCE = 0.01
FLOAT_NOISE = 1e-9


def behaviour(
    gate: BehaviourGate,
    frame: pl.DataFrame,
    answer: Answer,
    *,
    fields: Sequence[Field],
    classes: Sequence[str],
    task: Task,
    clusters: NDArray | None,
) -> Behaviour:
    """Change one column of each row, and hold the answers against what the test says of them.

    A row misses the test when any of its changes does. A column goes with the features that are
    computed from it on request, as `answer` does.

    Args:
        frame: Raw rows with `__key` and the columns of `fields`.
        classes: In the order of the probabilities.
        clusters: Shape (rows,), as in `estimate`.
    """
    field = next(field for field in fields if field.name == gate.column)
    column = frame[gate.column]
    before = _asked_about(answer(frame), gate, classes)
    changes = _settings(gate, column, field) if gate.test == "invariant" else _moves(column, field)
    afters = [_asked_about(answer(frame.with_columns(changed.alias(gate.column))), gate, classes) for changed in changes]
    by = np.stack([np.zeros(frame.height), *(_missed_by(gate, before, after) for after in afters)])
    worst, at = by.max(axis=0), by.argmax(axis=0) - 1
    broken = worst > _tolerance(gate, before, task) + FLOAT_NOISE
    shown = [int(row) for row in np.argsort(-worst, kind="stable")[:SHOWN] if broken[row]]
    return Behaviour(
        test=gate.test,
        name=str(gate),
        subject=gate.column,
        tried=frame.height * len(afters),
        violated=share_of(broken, clusters),
        worst=tuple(_example(row, frame, gate.column, before, afters[at[row]], changes[at[row]]) for row in shown),
        note="" if afters else "there is nothing to change it to",
    )


def share_of(broken: NDArray[np.bool_], clusters: NDArray | None, level: float = 0.95) -> Estimate:
    """The share of rows that missed a test, with its interval."""
    rows = len(broken)
    if not rows:
        return unknown(0, level)
    measured = mean_of(broken.astype(np.float64))
    spread = spread_of(measured.influence, None, clusters)
    low, high = interval(measured.value, spread, level=level, bounds=(0.0, 1.0), share_of=rows)
    return Estimate(value=measured.value, low=low, high=high, n=rows, se=spread.se, level=level)


def _missed_by(gate: BehaviourGate, before: Array, after: Array) -> Array:
    """How far each row's answer moved where it must not, shape (rows,)."""
    if gate.test == "invariant":
        away = np.abs(after - before)
        return away.max(axis=1) if away.ndim == 2 else away
    return np.maximum(before - after if gate.direction == "up" else after - before, 0.0)


def _example(row: int, frame: pl.DataFrame, column: str, before: Array, after: Array, changed: pl.Series) -> Example:
    return Example(
        key=str(frame["__key"][row]),
        change=f"{column}: {_value(frame[column][row])} → {_value(changed[row])}",
        before=_said(before[row]),
        after=_said(after[row]),
    )


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _said(answer: Any) -> str:
    return " ".join(f"{number:.3g}" for number in np.atleast_1d(answer)[:10])


def _settings(gate: BehaviourGate, column: pl.Series, field: Field) -> list[pl.Series]:
    """The column set to one value after the other: the ones that were named, else frequent ones or quantiles."""
    values: Sequence[Any] = gate.values
    if not values and field.kind in (Kind.INT, Kind.FLOAT, Kind.TIME):
        known = column.drop_nulls().sort()
        values = [known[int(q * (known.len() - 1))] for q in np.linspace(0.05, 0.95, VALUES)] if known.len() else []
    elif not values:
        counts = column.drop_nulls().alias("value").value_counts(name="rows").sort("rows", "value", descending=[True, False])
        values = counts["value"].head(VALUES).to_list()
    return [pl.Series(column.name, [value] * column.len(), dtype=column.dtype, strict=False) for value in dict.fromkeys(values)]


def _moves(column: pl.Series, field: Field) -> list[pl.Series]:
    """The column raised, step by step; a missing value stays missing."""
    if field.kind is Kind.BOOL:
        return [column | True]
    spread = float(column.cast(pl.Float64).fill_nan(None).std() or 0.0)  # type: ignore[arg-type]
    steps = [step * spread for step in STEPS if spread > 0.0]
    if column.dtype.is_integer():
        steps = [float(max(1, round(step))) for step in steps]
    return [(column.cast(pl.Float64) + step).cast(column.dtype, strict=False) for step in dict.fromkeys(steps)]


def _asked_about(answers: Array, gate: BehaviourGate, classes: Sequence[str]) -> Array:
    """The probability or number that the test is about, shape (rows,); all of the probabilities for several classes without `of`."""
    if answers.ndim == 2:
        return answers[:, classes.index(gate.of)] if gate.of else answers
    return 1.0 - answers if gate.of and classes and gate.of == classes[0] else answers


def _tolerance(gate: BehaviourGate, answers: Array, task: Task) -> float:
    if gate.tolerance is not None:
        return gate.tolerance
    return TOLERANCE if task in (Task.BINARY, Task.MULTICLASS) else TOLERANCE * float(answers.std() if len(answers) > 1 else 0.0)
