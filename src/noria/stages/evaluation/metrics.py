"""The metrics that Noria knows: one table, by name, and what each task offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from noria.core.errors import DataInvalid, NotFound
from noria.core.schema import Task
from noria.stages.evaluation import binary, multiclass, ranking, regression
from noria.stages.evaluation.measured import Array, Formula, Measured, Resampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        tasks: Tasks that offer it.
        higher_is_better: Which way is up.
        formula: Its value, and each row's influence on it.
        resampled: For a metric that is a sum of absolute gaps, which has no derivative at 0: its gaps for any weighting of the rows.
        bounds: The smallest and largest value that it can take; (0, 1) means a share of rows or pairs.
        signed: Whether 0 is best and either side is worse.
    """

    name: str
    tasks: frozenset[Task]
    higher_is_better: bool
    formula: Formula
    resampled: Resampled | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    signed: bool = False

    def value(self, y: ArrayLike, score: ArrayLike) -> float:
        """The metric on these rows, without its interval.

        Args:
            y: Outcomes, shape (rows,): 0/1, class codes or numbers.
            score: P(1) or the number, shape (rows,), or class probabilities, shape (rows, classes).

        Returns:
            NaN where it cannot be computed: no rows, one class, or a score that is not a number.
        """
        return self.measured(*arrays(y, score)).value

    def measured(self, y: Array, score: Array) -> Measured:
        """The metric with each row's influence on it."""
        if not len(y) or not np.isfinite(y).all() or not np.isfinite(score).all():
            return ranking.UNDEFINED
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.formula(y, score)

    def goodness(self, value: float) -> float:
        """The value on a scale where more is better."""
        if self.signed:
            return -abs(value)
        return value if self.higher_is_better else -value


def arrays(y: ArrayLike, score: ArrayLike) -> tuple[Array, Array]:
    """Outcomes and scores as float arrays.

    Raises:
        DataInvalid: they do not have the same number of rows, or an outcome is a class that the scores do not have.
    """
    outcomes, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if outcomes.ndim != 1 or scores.ndim not in (1, 2) or len(outcomes) != len(scores):
        raise DataInvalid(f"outcomes of shape {outcomes.shape} cannot be held against scores of shape {scores.shape}")
    if scores.ndim == 2 and len(outcomes) and not (outcomes.min() >= 0 and outcomes.max() < scores.shape[1]):
        raise DataInvalid(f"outcomes hold class {outcomes.max():g}, scores only classes 0 to {scores.shape[1] - 1}")
    return outcomes, scores


def metric(name: str, task: Task) -> Metric:
    """The metric of that name.

    Raises:
        NotFound: there is none, or the task does not offer it; names the nearest that it does.
    """
    found = METRICS.get(name)
    if found is not None and task in found.tasks:
        return found
    offered = names_for(task)
    near = get_close_matches(name, offered, n=2, cutoff=0.4)
    fix = f"did you mean {' or '.join(near)}? " if near else ""
    raise NotFound(f"{name!r} is not a metric of {task.value} tasks", fix=f"{fix}There are {', '.join(offered)}")


def names_for(task: Task) -> tuple[str, ...]:
    """The names of a task's metrics, main one first."""
    names = [name for name, known in METRICS.items() if task in known.tasks]
    main = main_metric(task)
    return (main, *(name for name in names if name != main))


def main_metric(task: Task) -> str:
    """The metric that speaks for a task when nobody chose: of order for binary, proper for the others."""
    return _MAIN[task]


def _either(flat: Formula, wide: Formula) -> Formula:
    """One formula for both shapes of score."""

    def formula(y: Array, score: Array) -> Measured:
        return flat(y, score) if score.ndim == 1 else wide(y, score)

    return formula


_MAIN = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
_YES_NO = frozenset({Task.BINARY})
_CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})
_SEVERAL = frozenset({Task.MULTICLASS})
_NUMBERS = frozenset({Task.REGRESSION})

_TABLE = (
    Metric(name="roc_auc", tasks=_CLASSES, higher_is_better=True, formula=_either(ranking.roc_auc, multiclass.roc_auc)),
    Metric(name="pr_auc", tasks=_YES_NO, higher_is_better=True, formula=ranking.average_precision),
    Metric(
        name="log_loss", tasks=_CLASSES, higher_is_better=False, formula=_either(binary.log_loss, multiclass.log_loss), bounds=(0.0, inf)
    ),
    Metric(name="brier", tasks=_YES_NO, higher_is_better=False, formula=binary.brier, bounds=(0.0, inf)),
    Metric(name="accuracy", tasks=_CLASSES, higher_is_better=True, formula=_either(binary.accuracy, multiclass.accuracy)),
    Metric(name="macro_f1", tasks=_SEVERAL, higher_is_better=True, formula=multiclass.macro_f1),
    Metric(name="precision", tasks=_YES_NO, higher_is_better=True, formula=binary.precision),
    Metric(name="recall", tasks=_YES_NO, higher_is_better=True, formula=binary.recall),
    Metric(name="f1", tasks=_YES_NO, higher_is_better=True, formula=binary.f1),
    Metric(name="ece", tasks=_YES_NO, higher_is_better=False, formula=binary.ece, resampled=binary.resampled_ece),
    Metric(name="mcc", tasks=_YES_NO, higher_is_better=True, formula=binary.mcc, bounds=(-1.0, 1.0)),
    Metric(name="rmse", tasks=_NUMBERS, higher_is_better=False, formula=regression.rmse, bounds=(0.0, inf)),
    Metric(name="mae", tasks=_NUMBERS, higher_is_better=False, formula=regression.mae, bounds=(0.0, inf)),
    Metric(name="r2", tasks=_NUMBERS, higher_is_better=True, formula=regression.r2, bounds=(-inf, 1.0)),
    Metric(name="mape", tasks=_NUMBERS, higher_is_better=False, formula=regression.mape, bounds=(0.0, inf)),
    Metric(
        name="median_ae",
        tasks=_NUMBERS,
        higher_is_better=False,
        formula=regression.median_ae,
        bounds=(0.0, inf),
    ),
    Metric(name="bias", tasks=_NUMBERS, higher_is_better=False, formula=regression.bias, bounds=(-inf, inf), signed=True),
)

METRICS: Mapping[str, Metric] = MappingProxyType({known.name: known for known in _TABLE})
