"""How good the answers were on both sides: every metric with its interval, and whether it fell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isnan, nan

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.checking import MarkCheck, Verdict
from noria.core.errors import DataInvalid
from noria.core.examination.curves import Curve, CurveKind
from noria.core.schema import Estimate, Task
from noria.drawing.charts.curves import beside
from noria.stages.evaluation.curves import curves_of
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.intervals import critical
from noria.stages.evaluation.metrics import main_metric, measurable, metric
from noria.stages.evaluation.scorecards import time_blocks

LEVEL = 0.99
"""A metric has fallen when this interval of the difference lies below 0: by chance alone, once in 200 checks."""

DRAWN = {
    Task.BINARY: (CurveKind.ROC, CurveKind.PR, CurveKind.CALIBRATION),
    Task.REGRESSION: (CurveKind.RESIDUALS, CurveKind.RESIDUAL_QUANTILES),
}
"""Curves that two sides are compared by."""

FEWEST_ROWS = 100
MOST_CLASSES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Outcomes and scores of one side, as the metrics take them; `blocks` is the block of time of each row."""

    y: NDArray[np.float64]
    score: NDArray[np.float64]
    blocks: NDArray | None

    @property
    def freedom(self) -> int:
        """One less than what is independent: rows, or blocks."""
        return max((len(self.y) if self.blocks is None else len(np.unique(self.blocks))) - 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to measure: the task, its classes in the order of the scores, and the columns."""

    task: Task
    label: str
    scores: tuple[str, ...]
    classes: tuple[str, ...] = ()


def asked(before: pl.DataFrame, now: pl.DataFrame, *, label: str, scores: Sequence[str], task: str = "") -> Asked:
    """Find out what kind of task the columns tell of, unless it is named.

    Raises:
        DataInvalid: they do not fit the task.
    """
    values = pl.concat([before[label].drop_nulls().cast(pl.String), now[label].drop_nulls().cast(pl.String)])
    several = values.n_unique()
    named = Task(task) if task else _task(before[label], several, scores, before)
    classes = tuple(sorted(values.unique(), key=_numbers_first))
    if named is Task.REGRESSION:
        return Asked(task=named, label=label, scores=tuple(scores))
    if named is Task.BINARY and several > 2:
        raise DataInvalid(f"the label {label!r} has {several} values, not two", fix="name the task: multiclass, or regression")
    if len(classes) > MOST_CLASSES:
        raise DataInvalid(f"the label {label!r} has {len(classes)} classes; at most {MOST_CLASSES} are told apart")
    if named is Task.MULTICLASS and len(scores) > 1:
        classes = _ordered(classes, scores)
    return Asked(task=named, label=label, scores=tuple(scores), classes=classes)


def answers(asked: Asked, frame: pl.DataFrame, time: str) -> Answers:
    """The rows of one side whose outcome and scores are known.

    Raises:
        DataInvalid: a score is no number where it must be one.
    """
    rows = frame.drop_nulls([asked.label, *asked.scores])
    blocks = time_blocks(rows[time].to_numpy()) if time and rows.height else None
    if asked.task is Task.REGRESSION:
        return Answers(y=_floats(rows[asked.label]), score=_floats(rows[asked.scores[0]]), blocks=blocks)
    place = {name: float(n) for n, name in enumerate(asked.classes)}
    y = rows[asked.label].cast(pl.String).replace_strict(place, default=nan, return_dtype=pl.Float64).to_numpy()
    if asked.task is Task.BINARY:
        score = _floats(rows[asked.scores[-1]])
        if len(score) and (score.min() < 0 or score.max() > 1):
            raise DataInvalid(f"the score {asked.scores[-1]!r} is no probability: it reaches from {score.min():g} to {score.max():g}")
        return Answers(y=y, score=score, blocks=blocks)
    if len(asked.scores) > 1:
        return Answers(y=y, score=np.column_stack([_floats(rows[name]) for name in asked.scores]), blocks=blocks)
    said = rows[asked.scores[0]].cast(pl.String).replace_strict(place, default=-1, return_dtype=pl.Float64).to_numpy().astype(int)
    return Answers(y=y, score=(said[:, None] == np.arange(len(asked.classes))).astype(np.float64), blocks=blocks)


def marks_of(asked: Asked, before: Answers, now: Answers, *, main: str = "", drop: float = 0.0) -> tuple[MarkCheck, ...]:
    """Every metric of the task on both sides, the main one first.

    The sides are different rows, so the variance of the difference is the sum of both. Only the main
    metric can be found to have fallen: by more than `drop`, with 99 % confidence.

    Raises:
        NotFound: the task does not offer `main`.
    """
    first = metric(main or main_metric(asked.task), asked.task).name
    names = _sensible(asked)
    return tuple(_mark(name, asked.task, before, now, judged=name == first, drop=drop) for name in dict.fromkeys((first, *names)))


def curves_between(asked: Asked, before: Answers, now: Answers, names: tuple[str, str]) -> tuple[Curve, ...]:
    """Curves of both sides over each other; none where a task has a line for each class, or a side has too few rows."""
    if asked.task not in DRAWN or min(len(before.y), len(now.y)) < FEWEST_ROWS:
        return ()
    sides = [curves_of(asked.task, side.y, side.score, clusters=side.blocks) for side in (before, now)]
    pairs = [(sides[0].of(kind), sides[1].of(kind)) for kind in DRAWN[asked.task]]
    return tuple(beside(was, is_, names) for was, is_ in pairs if was is not None and is_ is not None)


def _mark(name: str, task: Task, before: Answers, now: Answers, *, judged: bool, drop: float) -> MarkCheck:
    known = metric(name, task)
    was, is_ = (estimate(name, side.y, side.score, task=task, clusters=side.blocks) for side in (before, now))
    gain = _gain(known.goodness(was.value), known.goodness(is_.value), was, is_, min(before.freedom, now.freedom))
    verdict = Verdict.NOT_JUDGED
    if judged:
        enough = not isnan(gain.high) and min(was.n, is_.n) >= FEWEST_ROWS
        verdict = Verdict.NOT_ENOUGH if not enough else Verdict.FOUND if gain.high < -drop else Verdict.QUIET
    return MarkCheck(metric=name, before=was, now=is_, gain=gain, verdict=verdict)


def _gain(before: float, now: float, was: Estimate, is_: Estimate, freedom: int) -> Estimate:
    se = hypot(was.se, is_.se)
    reach = critical(LEVEL, freedom) * se
    return Estimate(value=now - before, low=now - before - reach, high=now - before + reach, n=min(was.n, is_.n), se=se, level=LEVEL)


def _task(label: pl.Series, several: int, scores: Sequence[str], frame: pl.DataFrame) -> Task:
    if len(scores) > 1:
        return Task.BINARY if several <= 2 and len(scores) == 2 else Task.MULTICLASS
    score = frame[scores[0]]
    likely = score.dtype.is_numeric() and score.drop_nulls().is_between(0, 1).all()
    if several <= 2 and likely:
        return Task.BINARY
    if label.dtype == pl.String or (label.dtype == pl.Boolean and not likely) or score.dtype == pl.String:
        return Task.MULTICLASS
    return Task.REGRESSION


def _sensible(asked: Asked) -> tuple[str, ...]:
    """The task's metrics; of bare answers without probabilities only those that need none."""
    if asked.task is Task.MULTICLASS and len(asked.scores) == 1:
        return ("accuracy", "macro_f1")
    return measurable(asked.task)


def _ordered(classes: tuple[str, ...], scores: Sequence[str]) -> tuple[str, ...]:
    """The classes in the order of the score columns, which are named like them or end with their names.

    Raises:
        DataInvalid: a class has no column, or a column no class.
    """
    found = [
        next((name for name in sorted(classes, key=len, reverse=True) if column == name or column.endswith(name)), "") for column in scores
    ]
    if len(set(found)) != len(scores) or set(classes) - set(found):
        raise DataInvalid(
            f"the score columns {', '.join(scores)} do not name the classes {', '.join(classes)}",
            fix="name one column for each class, ending with its name: p_red, p_green",
        )
    return tuple(found)


def _numbers_first(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def _floats(column: pl.Series) -> NDArray[np.float64]:
    try:
        return column.cast(pl.Float64).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise DataInvalid(f"the column {column.name!r} holds {column.dtype}, not numbers") from error
