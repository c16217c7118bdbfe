"""Rates of groups (selected, found, wrongly selected, …) with their errors, and how these go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from noria.core.schema import Estimate
from noria.stages.evaluation.intervals import Spread, interval, units_of
from noria.stages.evaluation.measured import Array, Codes

SHARE, DIFFERENCE, ANY, SIZE = (0.0, 1.0), (-1.0, 1.0), (-math.inf, math.inf), (0.0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What was answered and what happened, each of shape (rows,).

    Attributes:
        y: 1 where the favourable outcome came true; for numbers, the outcome.
        score: Its probability; for numbers, the answer.
        said: 1 where it was answered; empty for numbers.
    """

    y: Array
    score: Array
    said: Array

    @property
    def numbers(self) -> bool:
        """Whether numbers are answered, not classes."""
        return not len(self.said)


Parts = Callable[[Answers], tuple[Array, Array]]
"""Top and bottom of a rate, one number per row."""


def _all(a: Answers) -> Array:
    return np.ones(len(a.y))


CLASS_RATES: Mapping[str, tuple[Parts, tuple[float, float]]] = MappingProxyType(
    {
        "selection_rate": (lambda a: (a.said, _all(a)), SHARE),
        "base_rate": (lambda a: (a.y, _all(a)), SHARE),
        "tpr": (lambda a: (a.said * a.y, a.y), SHARE),
        "fpr": (lambda a: (a.said * (1.0 - a.y), 1.0 - a.y), SHARE),
        "fnr": (lambda a: ((1.0 - a.said) * a.y, a.y), SHARE),
        "precision": (lambda a: (a.said * a.y, a.said), SHARE),
        "calibration": (lambda a: (a.score - a.y, _all(a)), DIFFERENCE),
    }
)
NUMBER_RATES: Mapping[str, tuple[Parts, tuple[float, float]]] = MappingProxyType(
    {
        "mean_answer": (lambda a: (a.score, _all(a)), ANY),
        "base_rate": (lambda a: (a.y, _all(a)), ANY),
        "calibration": (lambda a: (a.score - a.y, _all(a)), ANY),
        "mae": (lambda a: (np.abs(a.score - a.y), _all(a)), SIZE),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """One rate of some groups, each of shape (groups,).

    Attributes:
        rows: Rows that the rate is a share of: for tpr, the positives.
        spread: Standard error and degrees of freedom of each.
        moved: By how much each block of time moves each value, shape (groups, blocks); with (groups, 0) rows are independent.
    """

    name: str
    value: Array
    rows: Array
    spread: tuple[Spread, ...]
    bounds: tuple[float, float]
    moved: Array

    def estimate(self, group: int, level: float = 0.95) -> Estimate:
        """The rate of one group; Wilson's (1927) interval with its effective rows, Student's t for what is no share."""
        value, spread, rows = float(self.value[group]), self.spread[group], int(self.rows[group])
        if math.isnan(value):
            return Estimate(value=math.nan, low=math.nan, high=math.nan, n=rows, level=level)
        low, high = interval(value, spread, level=level, bounds=self.bounds, share_of=rows if self.bounds == SHARE else 0)
        return Estimate(value=value, low=low, high=high, n=rows, se=spread.se, level=level)

    def correlation(self, one: int, other: int) -> float:
        """How far the errors of two groups go together: they live through the same days."""
        a, b = self.moved[one], self.moved[other]
        sizes = math.sqrt(float((a**2).sum() * (b**2).sum()))
        return float((a * b).sum()) / sizes if sizes else 0.0


def rates_of(answers: Answers, groups: Codes, count: int, clusters: NDArray | None) -> dict[str, Rates]:
    """Every rate that fits the answers, of `count` groups; rows with a negative group belong to none."""
    kept = groups >= 0
    inside = Answers(y=answers.y[kept], score=answers.score[kept], said=answers.said[kept] if len(answers.said) else answers.said)
    blocks = None if clusters is None else units_of(clusters[kept], int(kept.sum()))
    table = NUMBER_RATES if answers.numbers else CLASS_RATES
    return {name: _rates(name, *parts(inside), bounds, groups[kept], count, blocks) for name, (parts, bounds) in table.items()}


def _rates(
    name: str, top: Array, bottom: Array, bounds: tuple[float, float], groups: Codes, count: int, blocks: tuple[Codes, int] | None
) -> Rates:
    below = np.bincount(groups, weights=bottom, minlength=count).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.bincount(groups, weights=top, minlength=count) / below
        influence = (top - value[groups] * bottom) / below[groups]
    if blocks is None:
        squares, units = np.bincount(groups, weights=influence**2, minlength=count), below
        moved = np.empty((count, 0))
    else:
        codes, width = blocks
        place = groups * width + codes
        moved = np.bincount(place, weights=influence, minlength=count * width).reshape(count, width).astype(np.float64)
        squares = (moved**2).sum(axis=1)
        units = np.count_nonzero(np.bincount(place, weights=bottom, minlength=count * width).reshape(count, width), axis=1)
    return Rates(
        name=name,
        value=value,
        rows=below,
        spread=tuple(_spread(square, int(unit)) for square, unit in zip(squares, units, strict=True)),
        bounds=bounds,
        moved=moved,
    )


def _spread(squares: float, units: int) -> Spread:
    if units < 2 or math.isnan(squares):
        return Spread(math.nan, 0)
    return Spread(math.sqrt(squares * units / (units - 1)), units - 1)
