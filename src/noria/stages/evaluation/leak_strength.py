"""How well one feature alone tells the label: near-perfect means that it was made from it, or after it."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.schema import Estimate, Task
from noria.stages.evaluation.estimates import estimate, unknown
from noria.stages.evaluation.measured import Array, Codes

PARTS = 50
"""A number is cut into so many parts, and so many of the most frequent values have a part of their own."""


def strength(
    trains: pl.Series, judges: pl.Series, y_trains: Array, y_judges: Array, *, task: Task, clusters: NDArray | None, level: float = 0.95
) -> Estimate:
    """How far the label is known when only this feature is: 1 is a copy, 0 says nothing.

    Learned on rows that train, marked on rows that judge: part by part of the feature (missing is
    one), so that a copy is found whatever its shape. ROC AUC for two classes (from 0.5); for
    numbers R²; for several classes the share of right answers beyond always naming the largest.

    Args:
        clusters: Shape (judging rows,), as in `estimate`.
    """
    told, asked, count = _parts(trains, judges)
    if not len(y_judges) or not len(y_trains):
        return unknown(len(y_judges), level)
    if task.numeric:
        return estimate("r2", y_judges, _means(told, y_trains, count)[asked], task=Task.REGRESSION, clusters=clusters, level=level)
    if task is Task.BINARY:
        by_part = estimate("roc_auc", y_judges, _means(told, y_trains, count)[asked], task=task, clusters=clusters, level=level)
        return max(by_part, _by_order(trains, judges, y_trains, y_judges, clusters, level), key=_known)
    return _skill(told, asked, count, y_trains, y_judges, clusters, level)


def _known(mark: Estimate) -> float:
    return mark.low if mark.low == mark.low else -1.0


def _parts(trains: pl.Series, judges: pl.Series) -> tuple[Codes, Codes, int]:
    """Which part each row falls in, of both; the last is for missing and for what training rows never showed."""
    if trains.dtype.is_numeric() and trains.n_unique() > PARTS:
        numbers = _numbers(trains)
        known = numbers[np.isfinite(numbers)]
        edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, PARTS + 1)[1:-1])) if len(known) else np.empty(0)
        count = len(edges) + 2
        codes = [np.where(np.isnan(x), count - 1, np.searchsorted(edges, x, side="right")) for x in (numbers, _numbers(judges))]
        return codes[0], codes[1], count
    counts = _texts(trains).drop_nulls().alias("text").value_counts(name="rows").sort("rows", "text", descending=[True, False])
    places = {text: place for place, text in enumerate(counts["text"].head(10 * PARTS))}
    last = len(places)
    told, asked = (
        _texts(x).replace_strict(places, default=last, return_dtype=pl.Int64).fill_null(last).to_numpy() for x in (trains, judges)
    )
    return told, asked, last + 1


def _means(parts: Codes, y: Array, count: int) -> Array:
    """The mean label of each part, drawn a little to the mean of all where rows are few."""
    rows = np.bincount(parts, minlength=count)
    return np.asarray((np.bincount(parts, weights=y, minlength=count) + y.mean()) / (rows + 1.0))


def _by_order(trains: pl.Series, judges: pl.Series, y_trains: Array, y_judges: Array, clusters: NDArray | None, level: float) -> Estimate:
    """The feature's own order as a score: finer than parts, for numbers and times."""
    if not (trains.dtype.is_numeric() or trains.dtype.is_temporal()):
        return unknown(len(y_judges), level)
    numbers, asked = _numbers(trains), _numbers(judges)
    middle = np.nanmedian(numbers) if np.isfinite(numbers).any() else 0.0
    numbers, asked = np.where(np.isfinite(numbers), numbers, middle), np.where(np.isfinite(asked), asked, middle)
    sign = 1.0 if numbers[y_trains > 0.5].mean() >= numbers[y_trains <= 0.5].mean() else -1.0
    return estimate("roc_auc", y_judges, sign * asked, task=Task.BINARY, clusters=clusters, level=level)


def _skill(told: Codes, asked: Codes, count: int, y_trains: Array, y_judges: Array, clusters: NDArray | None, level: float) -> Estimate:
    classes = int(max(y_trains.max(), y_judges.max())) + 1
    seen = np.bincount(told * classes + y_trains.astype(np.intp), minlength=count * classes).reshape(count, classes)
    right = (seen.argmax(axis=1)[asked] == y_judges).astype(np.float64)
    base = float(np.bincount(y_judges.astype(np.intp)).max()) / len(y_judges)
    mark = estimate("accuracy", np.ones(len(right)), right, task=Task.BINARY, clusters=clusters, level=level)
    if base >= 1.0:
        return unknown(len(right), level)
    value, low, high = ((end - base) / (1.0 - base) for end in (mark.value, mark.low, mark.high))
    return Estimate(value=value, low=low, high=high, n=mark.n, level=level)


def _numbers(column: pl.Series) -> Array:
    physical = column.to_physical() if column.dtype.is_temporal() else column
    return physical.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _texts(column: pl.Series) -> pl.Series:
    return (column.fill_nan(None) if column.dtype.is_float() else column).cast(pl.String)
