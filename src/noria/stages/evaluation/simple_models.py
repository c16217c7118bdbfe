"""The simplest models that there are, each from rows to answers: what any candidate must be worth its trouble beside."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.stages.evaluation.measured import Array

BINS = 15
"""Quantile bins of a number, when it is the only feature."""

SMOOTHING = 5.0
"""Rows of the overall mean that each bin is mixed with."""

SHOWN_CATEGORIES = 20
"""Most frequent values of a text feature that a linear model has a weight for."""

NEWEST = 0.2
"""Share of the training rows that chooses the one feature."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What a simple model learns from.

    Attributes:
        X: Shape (rows, features), in time order; text as category codes, missing NaN.
        y: Shape (rows,): 0/1, class codes or numbers.
        categorical: Places of the columns that hold category codes.
        classes: How many classes there are; 0 = numbers are predicted.
    """

    X: Array
    y: Array
    columns: tuple[str, ...]
    categorical: frozenset[int]
    classes: int = 0

    @property
    def targets(self) -> Array:
        """What means are taken of, shape (rows, outputs): the number, P(1), or one column per class."""
        if self.classes > 2:
            return np.eye(self.classes)[self.y.astype(np.intp)]
        return self.y.astype(np.float64)[:, None]


Answers = Callable[[Array], Array]
"""Rows, shape (rows, features), to answers, shape (rows,) or (rows, classes)."""


def constant(lesson: Lesson) -> tuple[str, Answers]:
    """The mean, or the share of each class."""
    mean = lesson.targets.mean(axis=0)
    said = f"always the mean, {mean[0]:.4g}" if not lesson.classes else "always the share of each class among the training rows"
    return said, lambda X: _flat(np.tile(mean, (len(X), 1)))


def median(lesson: Lesson) -> tuple[str, Answers]:
    """The median of the labels."""
    middle = float(np.median(lesson.y))
    return f"always the median, {middle:.4g}", lambda X: np.full(len(X), middle)


def one_feature(lesson: Lesson) -> tuple[str, Answers]:
    """The mean label in each bin of the one feature that does best on the newest training rows."""
    rows = len(lesson.y)
    cut = max(1, round(rows * (1.0 - NEWEST)))
    losses = []
    for place in range(lesson.X.shape[1]):
        answers = _means(lesson, place, slice(0, cut))
        losses.append(float(((answers(lesson.X[cut:]) - lesson.targets[cut:]) ** 2).mean()) if cut < rows else 0.0)
    best = int(np.argmin(losses))
    answers = _means(lesson, best, slice(0, rows))
    return f"the mean label by {lesson.columns[best]} alone", lambda X: _flat(answers(X))


def linear(lesson: Lesson) -> tuple[str, Answers]:
    """Logistic or ridge regression on all features: numbers scaled, missing ones at the mean, text as its most frequent values."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    shape = _design(lesson)
    told = f"{'logistic' if lesson.classes else 'ridge'} regression on all {len(lesson.columns)} features"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if not lesson.classes:
            ridge = Ridge(alpha=1.0).fit(shape(lesson.X), lesson.y)
            return told, lambda X: np.asarray(ridge.predict(shape(X)), dtype=np.float64)
        logistic = LogisticRegression(max_iter=100).fit(shape(lesson.X), lesson.y)

    def answers(X: Array) -> Array:
        chances = np.zeros((len(X), max(2, lesson.classes)))
        chances[:, logistic.classes_.astype(np.intp)] = logistic.predict_proba(shape(X))
        return chances[:, 1] if lesson.classes == 2 else chances

    return told, answers


def last_values(
    series: Sequence[object], times_ms: NDArray[np.int64], y: Array, asked: NDArray[np.bool_], *, delay_ms: int, back_ms: int = 0
) -> Array:
    """The newest value of each row's own series that was known at its time, shape (rows asked,); NaN where there is none.

    Args:
        series: What each row belongs to, shape (rows,).
        delay_ms: How long after a row's time its outcome is known.
        back_ms: Ask for the value that long before, or the nearest older one within a tenth of it; 0 = the newest.
    """
    rows = pl.DataFrame({"series": pl.Series(series), "time": times_ms, "y": y}).with_row_index("row")
    wait = max(delay_ms, back_ms)
    past = rows.select("series", "y", time=pl.col("time") + wait).sort("time")
    want = rows.filter(pl.Series(asked)).select("row", "series", "time").sort("time")
    found = want.join_asof(past, on="time", by="series", tolerance=back_ms // 10 if back_ms else None, check_sortedness=False)
    return found.sort("row")["y"].fill_null(float("nan")).to_numpy()


def _means(lesson: Lesson, place: int, rows: slice) -> Answers:
    """Smoothed mean targets by the bins of one column, learnt on some rows."""
    column, targets = lesson.X[rows, place], lesson.targets[rows]
    known = column[~np.isnan(column)]
    edges = (
        np.unique(known)
        if place in lesson.categorical
        else np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        if len(known)
        else known
    )
    overall = targets.mean(axis=0)
    at = _bin(column, edges)
    counts = np.bincount(at, minlength=len(edges) + 2)[:, None]
    sums = np.column_stack([np.bincount(at, weights=targets[:, n], minlength=len(edges) + 2) for n in range(targets.shape[1])])
    means = (sums + SMOOTHING * overall) / (counts + SMOOTHING)
    return lambda X: means[_bin(X[:, place], edges)]


def _bin(column: Array, edges: Array) -> NDArray[np.intp]:
    """Bins between edges; missing has the last one."""
    return np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column, side="right"))


def _design(lesson: Lesson) -> Callable[[Array], Array]:
    """The matrix of a linear model, from any rows."""
    numbers = [place for place in range(lesson.X.shape[1]) if place not in lesson.categorical]
    X = lesson.X[:, numbers]
    known = ~np.isnan(X)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, X, 0.0).sum(axis=0) / count
    sd = np.sqrt(np.where(known, (X - mean) ** 2, 0.0).sum(axis=0) / count)
    sd[sd == 0.0] = 1.0
    gaps = [n for n in range(len(numbers)) if not known[:, n].all()]
    shown = {}
    for place in sorted(lesson.categorical):
        values, often = np.unique(lesson.X[:, place][~np.isnan(lesson.X[:, place])], return_counts=True)
        shown[place] = values[np.argsort(-often, kind="stable")[:SHOWN_CATEGORIES]]

    def shape(rows: Array) -> Array:
        own = rows[:, numbers]
        scaled = np.clip(np.where(np.isnan(own), 0.0, (own - mean) / sd), -10.0, 10.0)
        flags = [np.isnan(own[:, gaps]).astype(np.float64)]
        flags += [(rows[:, place][:, None] == values).astype(np.float64) for place, values in shown.items()]
        return np.hstack([scaled, *flags])

    return shape


def _flat(answers: Array) -> Array:
    return answers[:, 0] if answers.shape[1] == 1 else answers
