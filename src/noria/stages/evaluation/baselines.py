"""Simple models beside the candidate: trained on its rows, judged on its rows, each with its difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from noria.core.examination.baselines import BaselineMark, BaselineMetric, Baselines
from noria.core.examination.comparing import Claim, claimed
from noria.core.schema import Task
from noria.stages.evaluation import simple_models
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.metrics import measurable, metric
from noria.stages.evaluation.paired import compare
from noria.stages.evaluation.simple_models import Answers, Lesson

MOST_ROWS, MOST_CELLS = 20_000, 1_000_000
"""Rows, and rows times features, that simple models learn from; of more, every so many-th is taken."""

OF_CLASSES: Mapping[str, Callable[[Lesson], tuple[str, Answers]]] = {
    "constant": simple_models.constant,
    "one-feature": simple_models.one_feature,
    "linear": simple_models.linear,
}
OF_NUMBERS: Mapping[str, Callable[[Lesson], tuple[str, Answers]]] = {
    "constant": simple_models.constant,
    "median": simple_models.median,
    "one-feature": simple_models.one_feature,
    "linear": simple_models.linear,
}
ENOUGH = 0.8
"""Share of the judging rows that must have a value before them for "last-value" to be a model at all."""

WEEK_MS = 7 * 86_400_000


def baselines(
    lesson: Lesson,
    X: Array,
    y: Array,
    score: Array,
    *,
    task: Task,
    by: str,
    clusters: NDArray | None,
    more: Mapping[str, tuple[str, Array]] | None = None,
    seed: int = 0,
    given: Given = PLAIN,
) -> Baselines:
    """Train simple models and hold the candidate against them.

    Args:
        lesson: The candidate's own training rows.
        X, y: Judging rows and outcomes, shape (rows, features) and (rows,).
        score: The candidate's answers, shape (rows,) or (rows, classes).
        by: The metric that orders them.
        clusters: Blocks of rows that are not independent, as in `estimate`.
        given: As in `estimate`, for the candidate.
        more: Name to what it does and its answers, for models that learn from elsewhere (see `of_the_past`).
    """
    bounded = _thinned(lesson)
    answered: dict[str, tuple[str, Array, float]] = {}
    for name, train in (OF_CLASSES if lesson.classes else OF_NUMBERS).items():
        began = perf_counter()
        says, answer = train(bounded)
        answered[name] = says, answer(X), perf_counter() - began
    answered |= {name: (says, answers, 0.0) for name, (says, answers) in (more or {}).items()}
    known, plain = metric(by, task), _of_baselines(given)
    marks = []
    for name, (says, answers, seconds) in answered.items():
        versus = compare(by, y, score, answers, task=task, clusters=clusters, seed=seed, given=given, champion_given=plain)
        mark = estimate(by, y, answers, task=task, clusters=clusters, seed=seed, given=plain)
        marks.append(
            BaselineMark(name=name, says=says, mark=mark, versus=versus, claim=claimed(versus), rows=len(bounded.y), seconds=seconds)
        )
    marks.sort(key=lambda mark: -known.goodness(mark.mark.value) if not math.isnan(mark.mark.value) else math.inf)
    told = Baselines(metric=by, marks=tuple(marks), best=marks[0].name if marks else "")
    by_metric = tuple(_best_by(name, y, score, answered, task, clusters, seed, given) for name in measurable(task, given))
    return replace(told, by_metric=by_metric, note=_note(told))


def of_the_past(
    series: Sequence[object], times_ms: NDArray[np.int64], y: Array, judged: NDArray[np.bool_], *, delay_ms: int
) -> dict[str, tuple[str, Array]]:
    """Models that repeat what was: the series' newest known value, and the one a week before; where most rows have one.

    Args:
        series: What each row belongs to, shape (rows,); rows that are alone in theirs have nothing to repeat.
        judged: Which rows are asked about, shape (rows,).
        delay_ms: How long after its time an outcome is known.
    """
    found = {}
    asked = {"last-value": ("the newest known value of the same key", 0), "seasonal": ("the value of the same key a week before", WEEK_MS)}
    for name, (says, back_ms) in asked.items():
        values = simple_models.last_values(series, times_ms, y, judged, delay_ms=delay_ms, back_ms=back_ms)
        there = ~np.isnan(values)
        if len(values) and there.mean() >= ENOUGH:
            found[name] = says, np.where(there, values, y[~judged].mean() if (~judged).any() else 0.0)
    return found


def _best_by(
    name: str,
    y: Array,
    score: Array,
    answered: Mapping[str, tuple[str, Array, float]],
    task: Task,
    clusters: NDArray | None,
    seed: int,
    given: Given,
) -> BaselineMetric:
    known, plain = metric(name, task), _of_baselines(given)
    good = {model: known.goodness(known.value(y, answers, plain)) for model, (_, answers, _) in answered.items()}
    best = max(good, key=lambda model: -math.inf if math.isnan(good[model]) else good[model])
    versus = compare(name, y, score, answered[best][1], task=task, clusters=clusters, seed=seed, given=given, champion_given=plain)
    return BaselineMetric(metric=name, baseline=best, versus=versus, claim=claimed(versus))


def _of_baselines(given: Given) -> Given:
    """Simple models are cut where costs alone say: their scores are calibrated, and nobody chose for them."""
    return given if given.costs is None else replace(given, threshold=given.costs.threshold)


def _note(told: Baselines) -> str:
    best = told.marks[0] if told.marks else None
    if best is None or best.claim is Claim.BETTER:
        return ""
    gain = f"{best.versus.value:+.4g} [{best.versus.low:+.4g}, {best.versus.high:+.4g}]"
    return f"not shown to be better than {best.says} ({best.name} baseline): {told.metric} differs by {gain}"


def _thinned(lesson: Lesson) -> Lesson:
    most = min(MOST_ROWS, max(1_000, MOST_CELLS // max(1, lesson.X.shape[1])))
    if len(lesson.y) <= most:
        return lesson
    kept = np.linspace(0, len(lesson.y) - 1, most).astype(np.intp)
    return replace(lesson, X=lesson.X[kept], y=lesson.y[kept])
