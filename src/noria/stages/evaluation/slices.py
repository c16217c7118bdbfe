"""The same metric slice by slice: where a candidate is weak, and where it is worse than the champion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from noria.core.judging import SliceMark
from noria.core.schema import Task
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.metrics import Metric, arrays
from noria.stages.evaluation.metrics import metric as metric_of
from noria.stages.evaluation.paired import compare

VALUES = 20
"""A number with more distinct values than this is sliced at its quartiles, not by value."""

MISSING = "missing"


def slice_marks(
    frame: pl.DataFrame,
    columns: Sequence[str],
    y: ArrayLike,
    score: ArrayLike,
    champion_score: ArrayLike | None,
    *,
    metric: str,
    task: Task,
    min_rows: int = 200,
    most: int = 50,
    clusters: NDArray | None = None,
    seed: int = 0,
    level: float = 0.95,
    given: Given = PLAIN,
    champion_given: Given | None = None,
) -> tuple[SliceMark, ...]:
    """Mark the slices of some columns, worst first: by the difference to the champion, else by the metric itself.

    Args:
        frame: The judged rows, in the order of `y`; text and few-valued columns are sliced by value,
            other numbers and times at their quartiles, nulls as "missing".
        min_rows: Smaller slices are left out.
        most: Slices per column, the largest ones: chosen by size, so that the choice favours no outcome.
        clusters, given: As in `estimate`.
    """
    known = metric_of(metric, task)
    outcomes, scores = arrays(y, score)
    old = None if champion_score is None else arrays(y, champion_score)[1]
    marks = [
        _mark(
            column,
            value,
            rows,
            outcomes,
            scores,
            old,
            known,
            task=task,
            clusters=clusters,
            seed=seed,
            level=level,
            given=given,
            champion_given=champion_given,
        )
        for column in columns
        for value, rows in _slices(frame[column], min_rows, most)
    ]
    return tuple(sorted(marks, key=lambda mark: _goodness(mark, known)))


def _mark(
    column: str,
    value: str,
    rows: NDArray[np.intp],
    y: Array,
    score: Array,
    old: Array | None,
    known: Metric,
    *,
    task: Task,
    clusters: NDArray | None,
    seed: int,
    level: float,
    given: Given,
    champion_given: Given | None,
) -> SliceMark:
    """Mark one slice, given by its row numbers."""
    blocks = None if clusters is None else clusters[rows]
    ours, theirs = given.at(rows), None if champion_given is None else champion_given.at(rows)
    mark = estimate(known.name, y[rows], score[rows], task=task, seed=seed, level=level, clusters=blocks, given=ours)
    versus = None
    if old is not None:
        versus = compare(
            known.name,
            y[rows],
            score[rows],
            old[rows],
            task=task,
            seed=seed,
            level=level,
            clusters=blocks,
            given=ours,
            champion_given=theirs,
        )
    return SliceMark(column=column, value=value, metric=known.name, mark=mark, versus=versus)


def _slices(column: pl.Series, min_rows: int, most: int) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Names and row numbers of a column's slices, largest first."""
    names = _names(column)
    groups = pl.DataFrame({"name": names}).with_row_index("row").group_by("name").agg(pl.col("row"), pl.len().alias("rows"))
    kept = groups.filter(pl.col("rows") >= min_rows).sort(["rows", "name"], descending=[True, False]).head(most)
    for name, rows, _ in kept.iter_rows():
        yield name, np.asarray(rows, dtype=np.intp)


def _names(column: pl.Series) -> pl.Series:
    """Which slice each row falls in, as text."""
    many = column.dtype.is_numeric() or column.dtype.is_temporal()
    names = _quartiles(column) if many and column.n_unique() > VALUES else column.cast(pl.String)
    return names.fill_null(MISSING)


def _quartiles(column: pl.Series) -> pl.Series:
    """Quartile of each value, named by its ends; missing and NaN stay null."""
    numbers = column.cast(pl.Float64).fill_nan(None)
    cuts = np.unique(np.quantile(numbers.drop_nulls().to_numpy(), (0.0, 0.25, 0.5, 0.75, 1.0)))
    ends = (
        [str(end) for end in pl.Series(cuts).cast(pl.Int64).cast(column.dtype)]
        if column.dtype.is_temporal()
        else [f"{end:.6g}" for end in cuts]
    )
    labels = [f"{low} to {high}" for low, high in pairwise(ends)]
    at = np.clip(np.searchsorted(cuts, numbers.fill_null(cuts[0]).to_numpy(), side="right") - 1, 0, len(labels) - 1)
    return pl.Series([labels[place] for place in at], dtype=pl.String).set(numbers.is_null(), None)


def _goodness(mark: SliceMark, known: Metric) -> tuple[float, str, str]:
    """Sort key: worst first, what cannot be told last."""
    good = mark.versus.value if mark.versus else known.goodness(mark.mark.value)
    return (math.inf if math.isnan(good) else good, mark.column, mark.value)
