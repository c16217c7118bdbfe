"""What a model does over the range of its answers: lines with bands, few enough points to be drawn and kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_POINTS = 100
"""Points of any line."""


class CurveKind(StrEnum):
    """What a curve shows, and so how it is drawn."""

    ROC = "roc"
    PR = "precision-recall"
    CALIBRATION = "calibration"
    GAIN = "gain"
    LIFT = "lift"
    COST = "cost"
    SCORES = "scores"
    RESIDUALS = "residuals"
    RESIDUAL_QUANTILES = "residual-quantiles"
    RESIDUALS_OVER_TIME = "residuals-over-time"
    HORIZON = "horizon"
    COVERAGE = "coverage"
    CUTOFF = "cutoff"
    PLACES = "places"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a curve; all tuples are as long as `x`, or empty.

    Attributes:
        name: Of the class, the model or the statistic; "" when there is one line only.
        low, high: Its band: the interval at each x, or for "spread" lines where so much of the rows lies.
        rows: Rows behind each point.
        spread: Whether the band tells how the rows scatter, not how sure the line is.
    """

    name: str = ""
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()
    spread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place on a curve with a name: the chosen threshold, the best one."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One picture's worth of values.

    Attributes:
        x_name, y_name: What the axes hold, in words; shares are 0 to 1.
        ideal: Where a perfect, or a useless, model would lie (the diagonal); None where there is no such line.
        ideal_name: Which of the two, in words.
        level: Coverage of the bands.
        times: Whether x holds moments, in ms since 1970.
        note: What to mind, in words.
    """

    kind: CurveKind
    x_name: str
    y_name: str
    lines: tuple[Line, ...]
    ideal: Line | None = None
    ideal_name: str = ""
    points: tuple[Point, ...] = ()
    level: float = 0.95
    times: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often each class was answered with which.

    Attributes:
        classes: Most frequent first; with many, the last one is "other".
        counts: Rows by outcome, then by answer: `counts[outcome][answer]`.
        threshold: For two classes: from this probability on, the answer is the second one.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    threshold: float = 0.5

    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Each row of `counts` as shares of its outcome; zeros for an outcome that never came."""
        return tuple(tuple(count / max(sum(row), 1) for count in row) for row in self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """All curves of one model on the rows that judged it."""

    curves: tuple[Curve, ...] = ()
    confusion: Confusion | None = None

    def of(self, kind: CurveKind) -> Curve | None:
        """The curve of that kind, if there is one."""
        return next((curve for curve in self.curves if curve.kind is kind), None)
