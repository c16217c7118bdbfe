"""What was handed to `noria.evaluate`, brought into the form that metrics take, with the task found where it was not named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noria.core.costs import Costs
from noria.core.errors import DataInvalid
from noria.core.schema import MARKED_TASKS, THRESHOLD, Task
from noria.stages.evaluation.forecasts import seasonal
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import Array

MOST_CLASSES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """What the caller said besides outcomes and scores, as it was said."""

    groups: Any = None
    series: Any = None
    horizon: Any = None
    times: Any = None
    baseline: Any = None
    scale: Any = None
    season: int = 0
    history: Mapping[Any, Any] | None = None
    levels: Sequence[float] = ()
    points: Any = None
    budget: float = 0.01
    threshold: float | None = None
    costs: Costs | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """The same as arrays, one entry per row."""

    task: Task
    y: Array
    score: Array
    given: Given
    classes: tuple[str, ...]
    times: NDArray | None


def task_of(task: str, y: Any, score: NDArray, told: Told) -> Task:
    """The task that was named, or the one that the arguments speak of."""
    if task:
        if task not in MARKED_TASKS:
            raise DataInvalid(f"{task!r} is no task that can be marked", fix=f"there are {', '.join(MARKED_TASKS)}")
        return Task(task)
    spoken_of = (
        (Task.QUANTILE, len(told.levels) > 0),
        (Task.RANKING, told.groups is not None),
        (Task.FORECAST, any(one is not None for one in (told.series, told.horizon, told.baseline, told.scale)) or told.season > 0),
        (Task.CLUSTERING, told.points is not None),
        (Task.ANOMALY, y is None),
    )
    for found, spoken in spoken_of:
        if spoken:
            return found
    outcomes = np.asarray(y)
    if outcomes.ndim == 2:
        return Task.MULTILABEL
    if score.ndim == 2:
        return Task.BINARY if score.shape[1] == 2 and len(np.unique(outcomes)) <= 2 else Task.MULTICLASS
    two = outcomes.dtype == np.bool_ or len(np.unique(outcomes)) <= 2
    return Task.BINARY if two and (not len(score) or (np.nanmin(score) >= 0 and np.nanmax(score) <= 1)) else Task.REGRESSION


def asked(task: str, y: Any, score: Any, classes: Sequence[str], told: Told) -> Asked:
    """Everything as arrays.

    Raises:
        DataInvalid: it does not fit together, or the task lacks what it needs.
    """
    raw = np.asarray(score)
    if y is None and task not in ("", Task.CLUSTERING, Task.ANOMALY):
        raise DataInvalid(f"a {task} task is judged by outcomes, and there are none", fix="give y")
    found = task_of(task, y, raw, told)
    times = None if told.times is None else np.asarray(told.times)
    _same_length(raw, y=y, groups=told.groups, series=told.series, horizon=told.horizon, times=told.times, baseline=told.baseline)
    names = tuple(classes)
    if found is Task.CLUSTERING:
        numbers, outcomes = _codes(raw, keep_numbers=True)[0], np.zeros(len(raw)) if y is None else _codes(np.asarray(y))[0]
    elif found in (Task.BINARY, Task.MULTICLASS):
        outcomes, names = _places(np.asarray(y), names, raw)
        numbers = _floats(raw[:, 1] if found is Task.BINARY and raw.ndim == 2 else raw, "score")
        if found is Task.BINARY and len(names) > 2:
            raise DataInvalid(f"a binary task has two classes, and there are {len(names)}: {', '.join(names[:10])}")
    else:
        outcomes, numbers = np.zeros(len(raw)) if y is None else _floats(np.asarray(y), "y"), _floats(raw, "score")
    return Asked(
        task=found, y=outcomes, score=numbers, given=_given(found, outcomes, y is not None, told, times), classes=names, times=times
    )


def _given(task: Task, y: Array, known: bool, told: Told, times: NDArray | None) -> Given:
    if task is Task.RANKING and told.groups is None:
        raise DataInvalid("a ranking is judged within queries, and none were given", fix="give groups: the query of each row")
    if task is Task.QUANTILE and not len(told.levels):
        raise DataInvalid("quantiles are judged by their levels, and none were given", fix="give levels, one for each column of score")
    points = None if told.points is None else _floats(np.asarray(told.points), "points")
    series = np.zeros(len(y)) if told.series is None else np.asarray(told.series)
    horizon = None if told.horizon is None else np.asarray(told.horizon)
    baseline, scale = (None if one is None else _floats(np.asarray(one), "baseline and scale") for one in (told.baseline, told.scale))
    rms_scale = None
    if task is Task.FORECAST and told.season > 0:
        order = np.arange(len(y)) if times is None else times
        plain, size, rms_scale = seasonal(y, series, order, horizon, season=told.season, history=told.history or {})
        baseline, scale = plain if baseline is None else baseline, size if scale is None else scale
    threshold = told.threshold if told.threshold is not None else THRESHOLD if told.costs is None else told.costs.threshold
    return Given(
        outcomes=known,
        threshold=threshold,
        costs=told.costs,
        groups=None if told.groups is None else np.asarray(told.groups),
        series=series if task is Task.FORECAST else None,
        horizon=horizon,
        baseline=baseline,
        scale=scale,
        rms_scale=rms_scale,
        levels=tuple(float(level) for level in told.levels),
        points=points,
        budget=told.budget,
        alarm=told.threshold if task is Task.ANOMALY else None,
    )


def _places(y: NDArray, names: tuple[str, ...], score: NDArray) -> tuple[Array, tuple[str, ...]]:
    """Outcomes as places among the classes, which are sorted where they were not named."""
    if y.dtype == np.bool_ or (not names and np.issubdtype(y.dtype, np.number)):
        return y.astype(np.float64), names
    texts = np.asarray(y).astype(str)
    known = names or tuple(str(name) for name in np.unique(texts))
    place = {name: float(at) for at, name in enumerate(known)}
    missing = sorted(set(texts.tolist()) - place.keys())
    if missing and np.issubdtype(y.dtype, np.number) and score.ndim == 2 and y.max() < len(known):
        return y.astype(np.float64), known
    if missing:
        raise DataInvalid(f"outcomes hold {', '.join(missing[:5])}, which is none of the classes {', '.join(known[:20])}")
    return np.array([place[name] for name in texts.tolist()]), known


def _codes(values: NDArray, *, keep_numbers: bool = False) -> tuple[Array, tuple[str, ...]]:
    if keep_numbers and np.issubdtype(values.dtype, np.number):
        return values.astype(np.float64), ()
    names, codes = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)
    return codes.astype(np.float64), tuple(str(name) for name in names)


def _floats(values: NDArray, what: str) -> Array:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataInvalid(f"{what} holds {values.dtype}, not numbers") from error


def _same_length(score: NDArray, **others: Any) -> None:
    for name, other in others.items():
        if other is not None and len(np.asarray(other)) != len(score):
            raise DataInvalid(f"{name} has {len(np.asarray(other))} rows, score has {len(score)}", fix="give one entry for each row")
