"""Curves of a probability against a yes or no: ROC, precision and recall, gain, lift, costs, and what each score is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from noria.core.costs import Costs
from noria.core.examination.curves import MOST_POINTS, Curve, CurveKind, Line, Point
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.intervals import critical, draws, interval, spread_of, units_of
from noria.stages.evaluation.measured import Array, ratio_of

RESAMPLES = 200
BINS = 15
"""Most bins of a calibration curve; each holds as many rows."""
BIN_ROWS = 40
"""Fewest rows of such a bin, where there are enough for three."""
BARS = 40
DIAGONAL = Line(x=(0.0, 1.0), y=(0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Swept:
    """What every threshold gives, on the rows and on resamples of them (the first is the rows themselves).

    Attributes:
        thresholds: Ascending, shape (cells,): the lowest score of each cell of neighbouring scores.
        yes_right, yes_wrong: Rows from each threshold on that are positive, negative; shape (1 + resamples, cells).
        positives, negatives: Of each resample, shape (1 + resamples, 1).
        wider: By how much bands are widened since there are only so many units.
    """

    thresholds: Array
    yes_right: Array
    yes_wrong: Array
    positives: Array
    negatives: Array
    level: float
    wider: float

    @property
    def rows(self) -> Array:
        """Rows of each resample."""
        return self.positives + self.negatives

    def band(self, found: Array) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """Value, low and high at each place, from shape (1 + resamples, places)."""
        value = found[0]
        with np.errstate(invalid="ignore"):
            low, high = (np.nanquantile(found[1:], share, axis=0) for share in ((1 - self.level) / 2, (1 + self.level) / 2))
        low, high = value - self.wider * np.maximum(value - low, 0.0), value + self.wider * np.maximum(high - value, 0.0)
        return _numbers(value), _numbers(low), _numbers(high)


def swept(y: Array, score: Array, *, clusters: NDArray | None, seed: int, level: float = 0.95) -> Swept | None:
    """Sweep the threshold over the scores; None with one class only."""
    positive = y > 0.5
    if not 0 < positive.sum() < len(y):
        return None
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, MOST_POINTS - 1, endpoint=False), method="lower"))
    cell = np.searchsorted(edges, score, side="right") - 1
    units, count = units_of(clusters, len(y))
    weights = np.vstack([np.ones(count), draws(np.random.default_rng(seed), RESAMPLES, count)])
    size = count * len(edges)
    right, wrong = (
        weights @ np.bincount((units * len(edges) + cell)[rows], minlength=size).reshape(count, len(edges)).astype(np.float64)
        for rows in (positive, ~positive)
    )
    few = math.sqrt(count / (count - 1)) * critical(level, count - 1) / float(ndtri((1.0 + level) / 2.0)) if count > 1 else math.nan
    return Swept(
        thresholds=edges,
        yes_right=_from_the_top(right),
        yes_wrong=_from_the_top(wrong),
        positives=right.sum(axis=1, keepdims=True),
        negatives=wrong.sum(axis=1, keepdims=True),
        level=level,
        wider=few,
    )


def roc(at: Swept, name: str = "") -> Line:
    """True positives over false positives, from nothing to everything."""
    found, wasted = at.yes_right / at.positives, at.yes_wrong / at.negatives
    return _over(at, wasted, found, name, start=0.0)


def precision_recall(at: Swept, name: str = "") -> Line:
    """Precision over recall."""
    said = at.yes_right + at.yes_wrong
    precision = np.divide(at.yes_right, said, out=np.full_like(said, np.nan), where=said > 0)
    return _over(at, at.yes_right / at.positives, precision, name)


def gain(at: Swept) -> Curve:
    """Share of the positives over the share of rows that were looked at, best score first."""
    line = _over(at, (at.yes_right + at.yes_wrong) / at.rows, at.yes_right / at.positives, "", start=0.0)
    return Curve(
        kind=CurveKind.GAIN,
        x_name="share of rows, highest score first",
        y_name="share of positives found",
        lines=(line,),
        ideal=DIAGONAL,
        ideal_name="at random",
        level=at.level,
    )


def lift(at: Swept) -> Curve:
    """How many times more positives than at random, over the share of rows that were looked at."""
    looked = (at.yes_right + at.yes_wrong) / at.rows
    times = np.divide(at.yes_right / at.positives, looked, out=np.full_like(looked, np.nan), where=looked > 0)
    return Curve(
        kind=CurveKind.LIFT,
        x_name="share of rows, highest score first",
        y_name="times more positives than at random",
        lines=(_over(at, looked, times, ""),),
        ideal=Line(x=(0.0, 1.0), y=(1.0, 1.0)),
        ideal_name="at random",
        level=at.level,
    )


def cutoff(at: Swept, threshold: float) -> Curve:
    """Precision, recall and share of alerts over the threshold."""
    said = at.yes_right + at.yes_wrong
    precision = np.divide(at.yes_right, said, out=np.full_like(said, np.nan), where=said > 0)
    lines = tuple(
        _at_thresholds(at, found, name)
        for name, found in (("precision", precision), ("recall", at.yes_right / at.positives), ("alerts", said / at.rows))
    )
    chosen = tuple(Point(name="threshold", x=threshold, y=float(np.interp(threshold, line.x, line.y))) for line in lines)
    return Curve(kind=CurveKind.CUTOFF, x_name="threshold", y_name="share", lines=lines, points=chosen, level=at.level)


def cost(at: Swept, costs: Costs, threshold: float) -> Curve:
    """Expected cost per row over the threshold, with the chosen one and the one that costs alone would choose."""
    line = _at_thresholds(at, costs_over(at, costs), "")
    marks = {"chosen": threshold, "calibrated": costs.threshold, "half": 0.5}
    places = {x: name for name, x in reversed(marks.items())}
    points = tuple(Point(name=name, x=x, y=float(np.interp(x, line.x, line.y))) for x, name in reversed(places.items()))
    return Curve(kind=CurveKind.COST, x_name="threshold", y_name="cost per row", lines=(line,), points=points, level=at.level)


def costs_over(at: Swept, costs: Costs) -> Array:
    """Expected cost per row at each threshold, shape (1 + resamples, cells)."""
    total = (
        costs.true_positive * at.yes_right
        + costs.false_positive * at.yes_wrong
        + costs.false_negative * (at.positives - at.yes_right)
        + costs.true_negative * (at.negatives - at.yes_wrong)
    )
    return np.asarray(total / at.rows)


def calibration(y: Array, score: Array, *, clusters: NDArray | None, name: str = "", level: float = 0.95) -> Line:
    """Share of positives over the mean score, in bins of equally many rows, with Wilson's interval (clustered where rows are)."""
    positive = (y > 0.5).astype(np.float64)
    count = max(3, min(BINS, len(y) // BIN_ROWS))
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, count + 1)[1:-1]))
    bins = np.searchsorted(edges, score, side="right")
    x, values, low, high, rows = [], [], [], [], []
    for place in np.unique(bins):
        inside = (bins == place).astype(np.float64)
        share = ratio_of(positive * inside, inside)
        ends = interval(share.value, spread_of(share.influence, None, clusters), level=level, bounds=(0.0, 1.0), share_of=int(inside.sum()))
        x.append(float(score[bins == place].mean()))
        values.append(share.value)
        low.append(ends[0])
        high.append(ends[1])
        rows.append(int(inside.sum()))
    return Line(name=name, x=tuple(x), y=tuple(values), low=tuple(low), high=tuple(high), rows=tuple(rows))


def scores(y: Array, score: Array, names: tuple[str, str]) -> Curve:
    """How the scores of each class are spread: share of the class in each of some even bins."""
    ends = (0.0, 1.0) if score.min() >= 0 and score.max() <= 1 else (float(score.min()), float(score.max()) + 1e-12)
    edges = np.linspace(*ends, BARS + 1)
    middle = _numbers((edges[1:] + edges[:-1]) / 2)
    lines = []
    for name, rows in zip(names, (y <= 0.5, y > 0.5), strict=True):
        counts = np.histogram(score[rows], bins=edges)[0]
        lines.append(Line(name=name, x=middle, y=_numbers(counts / max(int(counts.sum()), 1)), rows=tuple(int(count) for count in counts)))
    return Curve(kind=CurveKind.SCORES, x_name="score", y_name="share of the class", lines=tuple(lines))


def of_two(y: Array, score: Array, given: Given, *, names: tuple[str, str], clusters: NDArray | None, seed: int) -> tuple[Curve, ...]:
    """Every curve of a binary task; with one class only, how the scores are spread."""
    at = swept(y, score, clusters=clusters, seed=seed)
    if at is None:
        return (scores(y, score, names),)
    costly = () if given.costs is None else (cost(at, given.costs, given.threshold),)
    return (
        *order((roc(at),), (precision_recall(at),), share=float((y > 0.5).mean()), level=at.level),
        reliability((calibration(y, score, clusters=clusters),)),
        gain(at),
        lift(at),
        cutoff(at, given.threshold),
        *costly,
        scores(y, score, names),
    )


def order(rocs: tuple[Line, ...], prs: tuple[Line, ...], *, share: float, level: float) -> tuple[Curve, Curve]:
    """The two curves that tell how well scores put rows in order."""
    return (
        Curve(
            kind=CurveKind.ROC,
            x_name="false positive rate",
            y_name="true positive rate",
            lines=rocs,
            ideal=DIAGONAL,
            ideal_name="at random",
            level=level,
        ),
        Curve(
            kind=CurveKind.PR,
            x_name="recall",
            y_name="precision",
            lines=prs,
            ideal=Line(x=(0.0, 1.0), y=(share, share)) if len(prs) == 1 else None,
            ideal_name="at random" if len(prs) == 1 else "",
            level=level,
        ),
    )


def reliability(lines: tuple[Line, ...]) -> Curve:
    """The curve that tells what a score is worth."""
    return Curve(
        kind=CurveKind.CALIBRATION,
        x_name="mean score",
        y_name="share that came true",
        lines=lines,
        ideal=DIAGONAL,
        ideal_name="what is said comes true",
    )


def _over(at: Swept, x: Array, y: Array, name: str, start: float | None = None) -> Line:
    """Y over x, both falling with the threshold, with the band of y at each of the rows' own x."""
    grid = np.unique(np.concatenate([x[0], [0.0]] if start is not None else [x[0]]))
    found = np.empty((len(x), len(grid)))
    for row in range(len(x)):
        xs, ys = x[row][::-1], y[row][::-1]
        if start is not None:
            xs, ys = np.concatenate([[0.0], xs]), np.concatenate([[start], ys])
        found[row] = np.interp(grid, xs, ys)
    value, low, high = at.band(found)
    return Line(name=name, x=_numbers(grid), y=value, low=low, high=high)


def _at_thresholds(at: Swept, found: Array, name: str) -> Line:
    value, low, high = at.band(found)
    return Line(name=name, x=_numbers(at.thresholds), y=value, low=low, high=high)


def _from_the_top(counts: Array) -> Array:
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]


def _numbers(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
