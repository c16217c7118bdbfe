"""What models of several moments answered to the rows of several windows, pooled over windows with honest errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from noria.core.schema import Estimate, Task
from noria.stages.evaluation.estimates import unknown
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.intervals import critical, spread_of
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.metric import Metric
from noria.stages.evaluation.metrics import main_metric, metric
from noria.stages.evaluation.paired import facing
from noria.stages.evaluation.scorecards import time_blocks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pooled:
    """A number of several windows.

    Attributes:
        influence: How much each row of all windows moved it, shape (rows,).
        windows: Places of the windows that it is of.
    """

    value: float
    influence: Array
    windows: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """Rows of consecutive windows, oldest first, and who answered them.

    Attributes:
        times: Event times, datetime64[ms], ascending, shape (rows,).
        y: Outcomes, shape (rows,).
        starts: Where in time each window begins; it ends where the next one begins, the last with the rows.
        answers: Place of a window to the answers of the model trained at its start, to all rows from there on.
        trained_rows: Place of a window to the rows that model learnt from.
        champion: Today's champion's answers to all rows; None where it cannot answer.
        champion_from: Rows before this moment trained the champion.
        given, champion_given: What metrics need besides, of all rows.
    """

    task: Task
    by: str
    times: NDArray[np.datetime64]
    y: Array
    starts: tuple[datetime, ...]
    end: datetime
    answers: Mapping[int, Array]
    trained_rows: Mapping[int, int]
    champion: Array | None = None
    champion_from: datetime | None = None
    given: Given = PLAIN
    champion_given: Given = PLAIN
    level: float = 0.95
    _cuts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        moments = [np.datetime64(start.replace(tzinfo=None), "ms") for start in self.starts]
        self._cuts.extend([*(int(np.searchsorted(self.times, moment)) for moment in moments), len(self.times)])

    @property
    def metric(self) -> Metric:
        """The metric that is pooled: the one asked for where it has a derivative, else the task's main one."""
        asked = metric(self.by, self.task)
        return asked if asked.resampled is None else metric(main_metric(self.task), self.task)

    @property
    def windows(self) -> list[int]:
        """Places of the windows whose own model was trained, and that have rows."""
        return [place for place in sorted(self.answers) if self._cuts[place + 1] > self._cuts[place]]

    def rows(self, window: int) -> slice:
        """The rows of a window."""
        return slice(self._cuts[window], self._cuts[window + 1])

    def length(self, window: int) -> int:
        """How many these are."""
        return self._cuts[window + 1] - self._cuts[window]

    def by_model(self, model: int, window: int) -> Array:
        """What the model trained at the start of one window answered in another, not older one."""
        skipped = self._cuts[model]
        rows = self.rows(window)
        return self.answers[model][rows.start - skipped : rows.stop - skipped]

    def value(self, pairs: Sequence[tuple[int, int]]) -> Pooled:
        """The metric of (model, window) pairs, weighted by rows."""
        return self._pooled([(window, *self._measured(self.by_model(model, window), window, self.given)) for model, window in pairs])

    def lost(self, pairs: Sequence[tuple[int, int]]) -> Pooled:
        """By how much these models were worse than each window's own."""
        return self._pooled(
            [
                (window, *self._apart(self.by_model(window, window), self.by_model(model, window), window, self.given))
                for model, window in pairs
            ]
        )

    def over_champion(self, windows: Sequence[int]) -> Pooled:
        """By how much each window's own model was better than the champion."""
        assert self.champion is not None
        return self._pooled(
            [
                (window, *self._apart(self.by_model(window, window), self.champion[self.rows(window)], window, self.champion_given))
                for window in windows
            ]
        )

    def champion_value(self, windows: Sequence[int]) -> Pooled:
        """The champion's metric in windows."""
        assert self.champion is not None
        return self._pooled(
            [(window, *self._measured(self.champion[self.rows(window)], window, self.champion_given)) for window in windows]
        )

    def estimate(self, of: Pooled) -> Estimate:
        """The number with its interval; days are what is independent."""
        rows = sum(self.length(window) for window in set(of.windows))
        if math.isnan(of.value) or not rows:
            return unknown(rows, self.level)
        span = slice(self.rows(min(of.windows)).start, self.rows(max(of.windows)).stop)
        spread = spread_of(of.influence[span], None, time_blocks(self.times[span]))
        reach = critical(self.level, spread.freedom) * spread.se
        return Estimate(value=of.value, low=of.value - reach, high=of.value + reach, n=rows, se=spread.se, level=self.level)

    def _measured(self, answers: Array, window: int, given: Given) -> tuple[float, Array]:
        measured = self.metric.measured(self.y[self.rows(window)], answers, given.at(self.rows(window)))
        return measured.value, measured.influence

    def _apart(self, one: Array, other: Array, window: int, given: Given) -> tuple[float, Array]:
        """Goodness of one less that of the other, in one window."""
        y, known = self.y[self.rows(window)], self.metric
        ours, theirs = (told.at(self.rows(window)) for told in (self.given, given))
        first, second = known.measured(y, one, ours), known.measured(y, other, theirs)
        if math.isnan(first.value) or math.isnan(second.value):
            return math.nan, np.zeros(len(y))
        sign = 1.0 if known.higher_is_better and not known.signed else -1.0
        return known.goodness(first.value) - known.goodness(second.value), sign * (facing(known, first) - facing(known, second))

    def _pooled(self, parts: Sequence[tuple[int, float, Array]]) -> Pooled:
        """The mean over windows, weighted by rows, of those where it is known."""
        influence = np.zeros(len(self.y))
        known = [part for part in parts if not math.isnan(part[1])]
        total = sum(self.length(window) for window, _, _ in known)
        value = 0.0 if total else math.nan
        for window, own, moved in known:
            weight = self.length(window) / total
            value += weight * own
            influence[self.rows(window)] += weight * moved
        return Pooled(value=value, influence=influence, windows=tuple(window for window, _, _ in known))
