"""What a metric is: a formula with a direction, bounds, and how its interval is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from noria.core.errors import DataInvalid
from noria.core.schema import Task
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Formula, Measured, Resampled

Informed = Callable[[Array, Array, Given], Measured]
"""(y, score, what else is known) to the metric's measure."""


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
        needs: Attributes of `Given` without which it cannot be had.
        partial: Whether it has a value only on some data (a deviance wants outcomes of at least 0), and is left out elsewhere.
        grouped: Whether groups of rows, not rows, are what is independent.
    """

    name: str
    tasks: frozenset[Task]
    higher_is_better: bool
    formula: Informed
    resampled: Resampled | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    signed: bool = False
    needs: frozenset[str] = frozenset()
    partial: bool = False
    grouped: bool = False

    @property
    def smooth(self) -> bool:
        """Whether each row's influence on it is known."""
        return self.resampled is None

    def value(self, y: ArrayLike, score: ArrayLike, given: Given = PLAIN) -> float:
        """The metric on these rows, without its interval.

        Args:
            y: Outcomes, shape (rows,): 0/1, class codes or numbers.
            score: P(1) or the number, shape (rows,), or class probabilities, shape (rows, classes).

        Returns:
            NaN where it cannot be computed: no rows, one class, or a score that is not a number.
        """
        return self.measured(*arrays(y, score, classes=bool(self.tasks & CLASSIFYING) and np.ndim(y) == 1), given).value

    def measured(self, y: Array, score: Array, given: Given = PLAIN) -> Measured:
        """The metric with each row's influence on it."""
        if not len(score) or not np.isfinite(score).all() or (given.outcomes and not np.isfinite(y).all()) or not self.can(given):
            return UNDEFINED
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.formula(y, score, given)

    def can(self, given: Given) -> bool:
        """Whether all that it needs was given."""
        return all(given.has(need) for need in self.needs)

    def goodness(self, value: float) -> float:
        """The value on a scale where more is better."""
        if self.signed:
            return -abs(value)
        return value if self.higher_is_better else -value


CLASSIFYING = frozenset({Task.BINARY, Task.MULTICLASS})
"""Tasks whose outcomes are places among the score's columns."""


def plain(formula: Formula) -> Informed:
    """A formula that needs nothing besides outcomes and scores."""
    return lambda y, score, given: formula(y, score)


def arrays(y: ArrayLike, score: ArrayLike, *, classes: bool = True) -> tuple[Array, Array]:
    """Outcomes and scores as float arrays.

    Args:
        classes: Whether outcomes are places among the score's columns.

    Raises:
        DataInvalid: they do not have the same number of rows, or an outcome is a class that the scores do not have.
    """
    outcomes, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    shapes = ((1, 1), (1, 2)) if classes else ((1, 1), (1, 2), (2, 2))
    fits = (outcomes.ndim, scores.ndim) in shapes and len(outcomes) == len(scores)
    if not fits or (outcomes.ndim == 2 and outcomes.shape != scores.shape):
        raise DataInvalid(f"outcomes of shape {outcomes.shape} cannot be held against scores of shape {scores.shape}")
    if classes and scores.ndim == 2 and len(outcomes) and not (outcomes.min() >= 0 and outcomes.max() < scores.shape[1]):
        raise DataInvalid(f"outcomes hold class {outcomes.max():g}, scores only classes 0 to {scores.shape[1] - 1}")
    return outcomes, scores
