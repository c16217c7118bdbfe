"""Frames as tables: the columns of the prediction log and of the outcome log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from noria.stages.serving.frames import MEMBER, MEMBER_FAILED, MEMBERS, Explanations, Outcomes, Predictions

MOMENT = pl.Datetime("ms", "UTC")
_RAW: Mapping[str, Any] = {
    "request_id": pl.String,
    "version": pl.Int64,
    "role": pl.String,
    "time": pl.Int64,
    "key": pl.String,
    "latency_us": pl.Int64,
    "error": pl.String,
    "propensity": pl.Float64,
}

PREDICTION_COLUMNS: Mapping[str, Any] = {**_RAW, "time": MOMENT, "answer": pl.Float64}
"""What every part of the prediction log has, whatever its model."""

TOLD = "told"
"""When an outcome was told, in milliseconds since 1970; null where an earlier Noria did not say. Never falls within a part."""

OUTCOME_COLUMNS: Mapping[str, Any] = {"request_id": pl.String, "value": pl.Float64, "time": MOMENT}
"""What every part of the outcome log has; `value` is text for classes, and null where only numbers of the business were told."""

_BESIDE = {f"f:{MEMBER}": "member", f"f:{MEMBER_FAILED}": "member_error", f"f:{MEMBERS}": "members"}
"""Of families: the partition whose model answered ("" = the parent did), and why that model could not. Of graphs: whom they asked."""

BUSINESS = "m:"
"""What the columns of the business's numbers start with."""


EXPLANATION_COLUMNS: Mapping[str, Any] = {
    "request_id": pl.String,
    "version": pl.Int64,
    "time": MOMENT,
    "method": pl.String,
    "background": pl.String,
    "explanation": pl.String,
}
"""What every part of the log of explanations has."""


def predictions_table(frames: Sequence[Predictions]) -> pl.DataFrame:
    """Frames as rows of the prediction log, ordered by time."""
    rows = sum(len(frame.ids) for frame in frames)
    raw: dict[str, list[Any]] = {name: [] for name in _RAW}
    answers: list[Any] = []
    for frame in frames:
        raw["request_id"] += frame.ids
        raw["version"] += [frame.version] * len(frame.ids)
        raw["role"] += frame.roles
        raw["time"] += frame.times
        raw["key"] += frame.keys
        raw["latency_us"] += frame.latencies
        raw["error"] += frame.errors
        raw["propensity"] += frame.propensities if frame.propensities is not None else [None] * len(frame.ids)
        answers += frame.answers
    table = pl.DataFrame(raw, schema=_RAW).with_columns(_as_moment())
    multiclass = any(isinstance(answer, list) for answer in answers)
    spread = {"answers": pl.Series([a if isinstance(a, list) else None for a in answers], dtype=pl.List(pl.Float64))} if multiclass else {}
    numbers = pl.Series([None if isinstance(a, list) else a for a in answers], dtype=pl.Float64)
    named = {f"in:{name}": column for name, column in _joined([f.inputs for f in frames], [len(f.ids) for f in frames], rows)}
    named |= {f"f:{name}": column for name, column in _joined([f.served for f in frames], [len(f.ids) for f in frames], rows)}
    named = {_BESIDE.get(name, name): column for name, column in named.items()}
    return table.with_columns(answer=numbers, **spread, **named).sort("time", maintain_order=True)


def outcomes_table(frames: Sequence[Outcomes]) -> pl.DataFrame:
    """Frames as rows of the outcome log, in the order in which they were told."""
    values = [value for frame in frames for value in frame.values]
    if any(isinstance(value, str) for value in values):
        column = pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
    else:
        column = pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    table = pl.DataFrame(
        {
            "request_id": pl.Series([one for frame in frames for one in frame.ids], dtype=pl.String),
            "value": column,
            "time": pl.Series([one for frame in frames for one in frame.times], dtype=pl.Int64),
            TOLD: pl.Series([frame.told_ms or None for frame in frames for _ in frame.ids], dtype=pl.Int64).cum_max(),
        }
    )
    heights = [len(frame.ids) for frame in frames]
    told = _joined([frame.metrics or {} for frame in frames], heights, table.height)
    table = table.with_columns(column.cast(pl.Float64).alias(f"{BUSINESS}{name}") for name, column in told)
    return table.with_columns(_as_moment())


def explanations_table(frames: Sequence[Explanations]) -> pl.DataFrame:
    """Frames as rows of the log of explanations, in the order in which they were made."""
    raw: dict[str, list[Any]] = {name: [] for name in EXPLANATION_COLUMNS}
    for frame in frames:
        raw["request_id"] += frame.ids
        raw["version"] += [frame.version] * len(frame.ids)
        raw["time"] += frame.times
        raw["method"] += frame.methods
        raw["background"] += frame.backgrounds
        raw["explanation"] += frame.told
    return pl.DataFrame(raw, schema={**EXPLANATION_COLUMNS, "time": pl.Int64}).with_columns(_as_moment())


def _as_moment() -> pl.Expr:
    return pl.from_epoch("time", time_unit="ms").dt.replace_time_zone("UTC").cast(MOMENT)


def _joined(tables: Sequence[Mapping[str, Sequence[Any]]], heights: Sequence[int], rows: int) -> Iterable[tuple[str, pl.Series]]:
    """Columns of all frames under each other; a frame without a column has nulls there."""
    gathered: dict[str, list[Any]] = {}
    above = 0
    for table, height in zip(tables, heights, strict=True):
        for name, column in table.items():
            held = gathered.setdefault(name, [])
            held.extend([None] * (above - len(held)))
            held.extend(column)
        above += height
    for name, held in gathered.items():
        held.extend([None] * (rows - len(held)))
        yield name, _series(held)


def _series(values: list[Any]) -> pl.Series:
    """Scalars of one field: whole numbers and fractions mixed are floats; anything else mixed is text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} and len(kinds) == 2:
        return pl.Series(values, dtype=pl.Float64, strict=False)
    if len(kinds) > 1:
        return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
    return pl.Series(values, strict=False)
