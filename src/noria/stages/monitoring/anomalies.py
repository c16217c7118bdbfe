"""Finds single requests that are far from all rows of the reference, and says in what.

The score is the mean distance to the ten nearest of 2,000 rows of the reference, on standardised
coordinates. So it sees a value that was never there and also a combination of usual values that
never occurred, which an isolation forest, cutting one feature at a time, hardly does
(`bench/anomalies.py` compares them).

Source: Angiulli and Pizzuti 2002, "Fast outlier detection in high dimensional spaces".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import beta, binom
from sklearn.neighbors import NearestNeighbors

from noria.core.anomalies import AnomalyReference, FarFeature, Neighbour
from noria.core.joint import Coordinate
from noria.core.moments import spoken
from noria.core.schema import Field
from noria.core.watching import Reading
from noria.stages.monitoring import coordinates
from noria.stages.monitoring.bins import missing_of
from noria.stages.monitoring.chunk_limits import chunk_limit
from noria.stages.monitoring.reading import against
from noria.stages.monitoring.reference import chunks_of, usual_chunks
from noria.stages.monitoring.thinning import thinned

MONITOR, SUBJECT = "anomalies", "requests"

NEIGHBOURS = 10
SAMPLE_ROWS = 2_000
"""Rows of the reference that requests are held against."""

JUDGED_ROWS = 20_000
"""Rows outside the sample that the threshold is taken of."""

FEWEST_ROWS = 400
"""Rows of a reference that single requests can be held against."""

FLOOR = 2.0
"""Times the expected share that is too little to matter."""

_TREE_WIDTH = 8
"""Coordinates up to which a tree finds neighbours faster than trying all."""

_THREE_SIGMA = 0.99865
_NAMED, _SMALLEST_SHARE = 5, 0.1
_SHOWN_NEIGHBOURS = 5

Array = NDArray[np.float64]


def build(
    frame: pl.DataFrame,
    features: Sequence[Field],
    *,
    share: float = 0.005,
    importance: Mapping[str, float] | None = None,
    chunk: timedelta = timedelta(days=1),
    seed: int = 0,
) -> tuple[AnomalyReference, pl.DataFrame] | None:
    """Choose the sample and the distance beyond which `share` of usual rows lie.

    Args:
        frame: `__time` and the raw features, one row per training row.
        share: The rate at which usual requests are to be called anomalous.
        chunk: Length of a chunk in event time, as the monitor will look.

    Returns:
        The reference (its `sample` is for the caller to keep) and the sample; None when there are fewer
        than `FEWEST_ROWS` rows, or no feature to look at.
    """
    known = coordinates.learn(frame, features, importance)
    if frame.height < FEWEST_ROWS or not known:
        return None
    places = pl.int_range(frame.height, eager=True).to_frame("place")
    sampled = thinned(places, min(SAMPLE_ROWS, frame.height // 2), seed)["place"].to_numpy()
    others = thinned(places[np.setdiff1d(np.arange(frame.height), sampled)], JUDGED_ROWS, seed + 1)["place"].to_numpy()
    sample = frame[sampled].select(one.name for one in known)
    scores = distances(coordinates.points(frame[others], known), coordinates.points(sample, known))[0].mean(axis=1)
    threshold, expected, low, high = quantile_with_rate(scores, share)
    chunks = chunks_of(frame["__time"].to_numpy()[others], chunk)
    beyond = np.bincount(chunks, scores > threshold) / np.bincount(chunks)
    reference = AnomalyReference(
        chunk=spoken(chunk),
        coordinates=known,
        neighbours=NEIGHBOURS,
        threshold=threshold,
        share=expected,
        share_low=low,
        share_high=high,
        shares=chunk_limit(beyond[usual_chunks(chunks)]),
        rows=len(others),
    )
    return reference, sample


def quantile_with_rate(scores: Array, share: float) -> tuple[float, float, float, float]:
    """The score that a new one exceeds with probability `share`, the rate that it really has, and its 95 % interval.

    The r-th smallest of n scores is exceeded by a new one at a rate that is Beta(n − r + 1, r); with too few
    scores for so small a share the largest is taken, whose rate is 1 / (n + 1).
    """
    n = len(scores)
    rank = min(ceil((n + 1) * (1 - share)), n)
    rate = beta(n - rank + 1, rank)
    return float(np.sort(scores)[rank - 1]), float(rate.mean()), float(rate.ppf(0.025)), float(rate.ppf(0.975))


def distances(points: Array, sample: Array, neighbours: int = NEIGHBOURS) -> tuple[Array, NDArray[np.intp]]:
    """Distance to the nearest rows of the sample, and their places: both of shape (rows, neighbours), nearest first."""
    tree = sample.shape[1] <= _TREE_WIDTH
    nearest = NearestNeighbors(n_neighbors=min(neighbours, len(sample)), algorithm="kd_tree" if tree else "brute").fit(sample)
    found, places = nearest.kneighbors(points)
    return found, places


def scored(reference: AnomalyReference, sample: pl.DataFrame, rows: pl.DataFrame) -> Array:
    """How far each row lies from the reference, shape (rows,)."""
    if rows.is_empty():
        return np.zeros(0)
    known = reference.coordinates
    found, _ = distances(coordinates.points(rows, known), coordinates.points(sample, known), reference.neighbours)
    return found.mean(axis=1)


def measure(reference: AnomalyReference, scores: Array, *, loop: str, at: datetime, min_rows: int = 250) -> Reading:
    """Read the share of anomalous requests in one chunk.

    Its limit is the largest of twice the expected share, what chance does to so many rows, and what
    chunks of the reference show.
    """
    rows = len(scores)
    enough = rows >= max(min_rows, 1)
    beyond = int((scores > reference.threshold).sum())
    share = beyond / rows if rows else float("nan")
    chance = float(binom.ppf(_THREE_SIGMA, rows, reference.share_high)) / rows if rows else float("nan")
    limit = max(FLOOR * reference.share, chance, reference.shares.known) if enough else float("nan")
    note = f"{beyond:,} of {rows:,} requests are far from all of the reference; {reference.share * rows:.1f} are expected"
    note = note if enough else f"{rows:,} rows; {min_rows:,} are needed"
    return against(MONITOR, SUBJECT, share, limit, rows, loop=loop, at=at, enough=enough, note=note)


def reasons(reference: AnomalyReference, sample: pl.DataFrame, row: pl.DataFrame) -> tuple[tuple[FarFeature, ...], tuple[Neighbour, ...]]:
    """Why one row is far: the features that part it from its nearest rows, and those rows."""
    known = reference.coordinates
    point, others = coordinates.points(row, known)[0], coordinates.points(sample, known)
    found, places = (one[0] for one in distances(point[None, :], others, reference.neighbours))
    parts = np.square(point - others[places].mean(axis=0))
    shares = parts / parts.sum() if parts.sum() > 0 else parts
    nearest = sample[places]
    far = [
        _far(known[place], row, nearest, sample, float(shares[place]))
        for place in np.argsort(-shares, kind="stable")[:_NAMED]
        if shares[place] >= _SMALLEST_SHARE
    ]
    shown = [Neighbour(distance=float(d), features=features) for d, features in zip(found, nearest.to_dicts(), strict=True)]
    return tuple(far), tuple(shown[:_SHOWN_NEIGHBOURS])


def _far(coordinate: Coordinate, row: pl.DataFrame, nearest: pl.DataFrame, sample: pl.DataFrame, share: float) -> FarFeature:
    name = coordinate.name
    value = row[name][0] if name in row.columns else None
    return FarFeature(
        name=name,
        value=said(value),
        nearby=_spread(nearest[name], coordinate, 0.0),
        usual=_spread(sample[name], coordinate, 0.01),
        share=share,
    )


def said(value: object) -> str:
    """A value in words: numbers with four digits, text as it is, nothing as "missing"."""
    if value is None or value != value:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def _spread(values: pl.Series, coordinate: Coordinate, tail: float) -> str:
    """What a column holds: between which values, or its most frequent texts with their shares."""
    kept = values.filter(pl.Series(~missing_of(values)))
    if kept.is_empty():
        return "missing"
    if coordinate.surprises or kept.dtype == pl.Boolean:
        counts = kept.cast(pl.String).alias("text").value_counts(name="rows").sort("rows", "text", descending=[True, False]).head(3)
        return ", ".join(f"{text} ({rows / len(values):.0%})" for text, rows in counts.iter_rows())
    low, high = (kept.quantile(quantile, "nearest") for quantile in (tail, 1 - tail))
    return said(low) if low == high else f"{said(low)} to {said(high)}"
