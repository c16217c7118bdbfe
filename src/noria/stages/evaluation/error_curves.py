"""Curves of a predicted number, or of several quantiles of one, against what came."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from noria.core.examination.curves import MOST_POINTS, Curve, CurveKind, Line
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.intervals import interval, spread_of
from noria.stages.evaluation.measured import Array, mean_of, ratio_of
from noria.stages.evaluation.quantiles import losses
from noria.stages.evaluation.score_curves import DIAGONAL

BINS = 20
PERIODS = 60
MIDDLE = 0.8
"""Share of the errors that the spread band holds."""
ANY = (-np.inf, np.inf)


def of_numbers(y: Array, score: Array, *, clusters: NDArray | None, times: NDArray | None) -> tuple[Curve, ...]:
    """Every curve of a regression: calibration, residuals, their quantiles, and over time."""
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, max(2, min(BINS, len(y) // 20)) + 1)[1:-1]))
    bins = np.searchsorted(edges, score, side="right")
    reliable = Curve(
        kind=CurveKind.CALIBRATION,
        x_name="mean prediction",
        y_name="mean outcome",
        lines=(_means(y, bins, score, clusters),),
        ideal=Line(x=(float(score.min()), float(score.max())), y=(float(score.min()), float(score.max()))),
        ideal_name="what is said comes true",
    )
    residuals = Curve(
        kind=CurveKind.RESIDUALS,
        x_name="prediction",
        y_name="prediction − outcome",
        lines=(_means(score - y, bins, score, clusters, name="mean error"), _spread(score - y, bins, score)),
        ideal=Line(x=(float(score.min()), float(score.max())), y=(0.0, 0.0)),
        ideal_name="no error",
    )
    over_time = () if times is None else (_over_time(score - y, times, clusters),)
    return (reliable, residuals, _quantiles(score - y), *over_time)


def of_forecasts(y: Array, score: Array, given: Given, *, clusters: NDArray | None) -> tuple[Curve, ...]:
    """Absolute error by horizon, beside the plain forecast's."""
    if given.horizon is None:
        return ()
    ahead = np.asarray(given.horizon, dtype=np.float64)
    steps = np.unique(ahead)
    if len(steps) > MOST_POINTS:
        steps = steps[np.linspace(0, len(steps) - 1, MOST_POINTS).astype(np.intp)]
    bins = np.searchsorted(steps, ahead, side="right")
    lines = [_means(np.abs(score - y), bins, ahead, clusters, name="forecast")]
    if given.baseline is not None:
        known = np.isfinite(given.baseline)
        plain = np.abs(given.baseline - y)[known]
        lines.append(_means(plain, bins[known], ahead[known], None if clusters is None else clusters[known], name="one season ago"))
    return (Curve(kind=CurveKind.HORIZON, x_name="steps ahead", y_name="mean absolute error", lines=tuple(lines)),)


def of_quantiles(y: Array, score: Array, given: Given, *, clusters: NDArray | None) -> tuple[Curve, ...]:
    """How often outcomes stay below each predicted quantile."""
    losses(y[:1], score[:1], given)
    shares = [mean_of((y <= column).astype(np.float64)) for column in score.T]
    ends = [
        interval(share.value, spread_of(share.influence, None, clusters), level=0.95, bounds=(0.0, 1.0), share_of=len(y))
        for share in shares
    ]
    line = Line(
        x=tuple(given.levels),
        y=tuple(share.value for share in shares),
        low=tuple(low for low, _ in ends),
        high=tuple(high for _, high in ends),
        rows=(len(y),) * len(shares),
    )
    return (
        Curve(
            kind=CurveKind.COVERAGE,
            x_name="level of the quantile",
            y_name="share of outcomes below it",
            lines=(line,),
            ideal=DIAGONAL,
            ideal_name="what is said comes true",
        ),
    )


def _means(values: Array, bins: NDArray, x: Array, clusters: NDArray | None, name: str = "") -> Line:
    """The mean of each bin with its interval, at the mean of x there."""
    found = []
    for rows in _by_bin(bins):
        inside = rows.astype(np.float64)
        mean = ratio_of(values * inside, inside)
        low, high = interval(mean.value, spread_of(mean.influence, None, clusters), level=0.95, bounds=ANY)
        found.append((float(x[rows].mean()), mean.value, low, high, int(inside.sum())))
    xs, ys, lows, highs, rows_of = zip(*found, strict=True)
    return Line(name=name, x=xs, y=ys, low=lows, high=highs, rows=rows_of)


def _spread(values: Array, bins: NDArray, x: Array) -> Line:
    """The median of each bin, with where most of its rows lie."""
    found = [
        (float(x[rows].mean()), *(float(q) for q in np.quantile(values[rows], (0.5, 0.5 - MIDDLE / 2, 0.5 + MIDDLE / 2))))
        for rows in _by_bin(bins)
    ]
    xs, ys, lows, highs = zip(*found, strict=True)
    return Line(name=f"{MIDDLE:.0%} of the errors", x=xs, y=ys, low=lows, high=highs, spread=True)


def _quantiles(errors: Array) -> Curve:
    """Quantiles of the standardised errors over those of the normal distribution."""
    count = min(MOST_POINTS, len(errors))
    levels = (np.arange(count) + 0.5) / count
    spread = errors.std()
    seen = np.quantile((errors - errors.mean()) / (spread if spread > 0 else 1.0), levels)
    normal = ndtri(levels)
    ends = (float(normal[0]), float(normal[-1]))
    return Curve(
        kind=CurveKind.RESIDUAL_QUANTILES,
        x_name="quantile of a normal distribution",
        y_name="quantile of the errors, standardised",
        lines=(Line(x=tuple(normal.tolist()), y=tuple(seen.tolist())),),
        ideal=Line(x=ends, y=ends),
        ideal_name="normal errors",
    )


def _over_time(errors: Array, times: NDArray, clusters: NDArray | None) -> Curve:
    """Mean error by period of time."""
    moments = np.asarray(times, dtype="datetime64[ms]").astype(np.int64)
    edges = np.linspace(moments.min(), moments.max(), min(PERIODS, max(2, len(errors) // 20)) + 1)[1:-1]
    line = _means(errors, np.searchsorted(edges, moments, side="right"), moments.astype(np.float64), clusters)
    return Curve(
        kind=CurveKind.RESIDUALS_OVER_TIME,
        x_name="time",
        y_name="prediction − outcome",
        lines=(line,),
        ideal=Line(x=(line.x[0], line.x[-1]), y=(0.0, 0.0)),
        ideal_name="no error",
        times=True,
    )


def _by_bin(bins: NDArray) -> Iterator[NDArray[np.bool_]]:
    for place in np.unique(bins):
        yield bins == place
