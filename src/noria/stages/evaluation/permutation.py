"""What a model leans on, asked of the model itself: a feature is shuffled, and the metric falls by so much."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from noria.core.examination.importance import FeatureImportance, Importance
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.intervals import critical, spread_of
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.metrics import main_metric, metric
from noria.stages.evaluation.paired import compare, facing

REPEATS = 5
MOST_ROWS = 4_000
MOST_ANSWERS = 1_000_000
"""Rows that the model is asked about in all; with many features, fewer rows are shuffled."""

FEWEST_ROWS = 500
TOGETHER = 0.8
"""Features whose ranks correlate by this much or more, to either side, are shuffled at once: each would stand in for the other."""

Score = Callable[[Array], Array]
"""Matrix, shape (rows, features), to answers, shape (rows,) or (rows, classes)."""


def permutation(
    score: Score,
    X: Array,
    y: Array,
    columns: Sequence[str],
    *,
    task: Task,
    by: str,
    clusters: NDArray | None,
    seed: int = 0,
    level: float = 0.95,
    repeats: int = REPEATS,
    given: Given = PLAIN,
) -> Importance:
    """Measure by how much the metric is worse when a feature's values are dealt out anew among the rows (Breiman 2001).

    Paired: the same rows before and after. The interval counts what differs between blocks of rows
    and what differs between shuffles. A metric without a derivative is replaced by the task's main one.

    Args:
        score: The form that serves.
        X, y: Judging rows and outcomes; of many, every so many-th is taken.
        clusters, given: As in `estimate`.
    """
    name = by if metric(by, task).smooth else main_metric(task)
    groups = grouped(X, columns)
    rows = _kept(len(y), len(groups), repeats)
    whole = len(y)
    X, y, blocks = X[rows], y[rows], None if clusters is None else clusters[rows]
    random = np.random.default_rng(seed)
    base = score(X)
    lost = {
        group: _lost(name, score, X, y, base, group, task, blocks, random, level, repeats, given.at(np.arange(whole)[rows]))
        for group in groups
    }
    few = f"asked about {len(y):,} of the judging rows" if isinstance(rows, np.ndarray) else ""
    return Importance(method="permutation", metric=name, features=ordered(lost, columns), rows=len(y), repeats=repeats, note=few)


def without(
    name: str, y: Array, full: Array, less: Array, *, task: Task, clusters: NDArray | None, given: Given = PLAIN, level: float = 0.95
) -> Estimate:
    """How much worse a model is that was trained without a feature (leave one feature out), on the same rows."""
    return compare(name, y, full, less, task=task, clusters=clusters, given=given, level=level)


def ordered(lost: Mapping[tuple[int, ...], Estimate], columns: Sequence[str]) -> tuple[FeatureImportance, ...]:
    """Losses as importances with their shares, most important first, what cannot be told last."""
    gains = {group: max(0.0, mark.value) if not math.isnan(mark.value) else 0.0 for group, mark in lost.items()}
    total = sum(gains.values())
    found = [
        FeatureImportance(features=tuple(columns[place] for place in group), lost=mark, share=gains[group] / total if total > 0 else 0.0)
        for group, mark in lost.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.lost.value if not math.isnan(one.lost.value) else math.inf))


def grouped(X: Array, columns: Sequence[str]) -> list[tuple[int, ...]]:
    """Places of the columns, those together whose ranks go together, directly or through others."""
    count = len(columns)
    ranks = np.column_stack([_ranks(X[:, place]) for place in range(count)]) if count else np.empty((len(X), 0))
    spread = ranks.std(axis=0)
    spread[spread == 0.0] = np.inf
    scaled = (ranks - ranks.mean(axis=0)) / spread
    alike = np.abs(scaled.T @ scaled / max(1, len(X))) >= TOGETHER
    left, found = set(range(count)), []
    while left:
        group, waiting = set[int](), [min(left)]
        while waiting:
            place = waiting.pop()
            if place in left:
                left.discard(place)
                group.add(place)
                waiting += [int(other) for other in np.flatnonzero(alike[place])]
        found.append(tuple(sorted(group)))
    return found


def _lost(
    name: str,
    score: Score,
    X: Array,
    y: Array,
    base: Array,
    group: tuple[int, ...],
    task: Task,
    clusters: NDArray | None,
    random: np.random.Generator,
    level: float,
    repeats: int,
    given: Given,
) -> Estimate:
    known = metric(name, task)
    whole = known.measured(y, base, given)
    values, moved = [], np.zeros(len(y))
    for answers in _shuffled(score, X, group, random, repeats):
        after = known.measured(y, answers, given)
        values.append(known.goodness(whole.value) - known.goodness(after.value))
        if len(after.influence) == len(y):
            moved += (facing(known, whole) - facing(known, after)) / repeats
    value = float(np.mean(values))
    spread = spread_of(moved, whole.samples, clusters)
    between = float(np.var(values, ddof=1)) / repeats if repeats > 1 else 0.0
    se = math.sqrt(spread.se**2 + between)
    reach = critical(level, spread.freedom) * se
    return Estimate(value=value, low=value - reach, high=value + reach, n=len(y), se=se, level=level)


def _shuffled(score: Score, X: Array, group: tuple[int, ...], random: np.random.Generator, repeats: int) -> Iterator[Array]:
    """Answers when the group's values are dealt out anew, those of one row together."""
    for _ in range(repeats):
        changed = X.copy()
        changed[:, group] = X[random.permutation(len(X))][:, group]
        yield score(changed)


def _kept(rows: int, groups: int, repeats: int) -> slice | NDArray[np.intp]:
    most = max(FEWEST_ROWS, min(MOST_ROWS, MOST_ANSWERS // max(1, groups * repeats)))
    return slice(None) if rows <= most else np.linspace(0, rows - 1, most).astype(np.intp)


def _ranks(column: Array) -> Array:
    """Ranks, missing ones in the middle."""
    missing = np.isnan(column)
    ranks = np.full(len(column), (len(column) - missing.sum() + 1) / 2.0)
    ranks[~missing] = rankdata(column[~missing])
    return ranks
