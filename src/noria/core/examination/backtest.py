"""A recipe trained again at several moments of the past: how it does on what came after, and how it ages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestWindow:
    """One moment of the past: trained on what was before it, scored on the window after it.

    Attributes:
        start, end: Event times of the window; rows in [start, end).
        trained_rows: Rows that it was trained on.
        mark: Of the recipe trained at `start`.
        champion: Of today's champion on the same rows; None where it cannot answer them.
        versus: Paired difference, positive = the recipe is better; None where `champion` is, or where it had seen the rows.
        fair: Whether the champion had not been trained on these rows.
        note: Why a part is missing, in words.
    """

    start: datetime
    end: datetime
    rows: int
    trained_rows: int
    mark: Estimate
    champion: Estimate | None = None
    versus: Estimate | None = None
    fair: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """A recipe on several recent windows, against the champion.

    Attributes:
        windows: Oldest first.
        mark: Mean over windows, weighted by rows, with the interval of that mean.
        versus: Paired difference to the champion, pooled likewise over the fair windows.
        seconds: Wall seconds that the trainings took.
        left_out: Why there are fewer windows than were asked for, in words; "" when there are not.
    """

    metric: str
    windows: tuple[BacktestWindow, ...]
    mark: Estimate
    versus: Estimate | None = None
    seconds: float = 0.0
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgePoint:
    """How models of one age did.

    Attributes:
        age_days: From the end of training to the middle of the rows that were scored.
        mark: Pooled over all windows that a model of this age answered.
        lost: By how much it was worse than the freshest model on the same rows (paired; positive = worse).
    """

    age_days: float
    windows: int
    mark: Estimate
    lost: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """How fast a model of this loop ages.

    Attributes:
        points: Youngest first; the first is the freshest, which has lost nothing by definition.
        lost_per_day: Slope of the loss over age, by weighted least squares through the youngest.
        half_life_days: Age at which half of what the fresh model gains over the constant baseline is
            lost, from the slope; None where no ageing is shown. Its interval is that of the slope.
        retrain_every_days: Age at which `tolerance` is lost; None where no ageing is shown.
        tolerance: The loss that may be borne, in units of the metric.
        advice: The same in one sentence.
    """

    metric: str
    points: tuple[AgePoint, ...]
    lost_per_day: Estimate
    tolerance: float
    half_life_days: Estimate | None = None
    retrain_every_days: Estimate | None = None
    advice: str = ""
