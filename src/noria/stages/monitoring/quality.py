"""Realised quality, from outcomes as they come in, held against quality on held-out rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from math import hypot, isfinite, nan, sqrt
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.schema import Estimate
from noria.core.watching import Level, Reading

Array = NDArray[np.float64]

SURE = 0.99
"""How sure a fall must be. Windows of two weeks that are looked at each day hardly differ, so "3 of 5" adds little here: at 95 %,
with the reference taken for exact and days for independent, a quiet loop had a false page in one month of six (simulated), now in
one of thirty."""


def realised(
    metric: str,
    labelled: pl.DataFrame,
    *,
    loop: str,
    at: datetime,
    reference: float,
    drop: float,
    higher_is_better: bool,
    estimate: Callable[[Array, Array], Estimate],
    min_rows: int,
    chunk_sd: float = nan,
    reference_se: float = 0.0,
    chunk: timedelta = timedelta(days=1),
) -> Reading:
    """Read a metric over the labelled rows of a window.

    It breaches when the estimate is worse than the reference by more than `drop` *and* that is not
    chance, at the level `SURE`: neither of these rows nor of the ones that the reference was measured
    on. When nothing has fallen, a reading breaches with probability below (1 − SURE) / 2.

    Args:
        labelled: `time`, `outcome`, and `answer` or `answers` (a list per row); rows without an
            answer or an outcome are left out.
        reference: The metric on held-out rows.
        drop: In units of the metric.
        estimate: The metric and its interval, from outcomes and answers.
        chunk_sd: Deviation of the metric between chunks of held-out rows. The interval is at least
            as wide as this many independent chunks make it, since rows of one day go together.
        reference_se: Standard error of the reference.
        chunk: Length of those chunks.
    """
    column = "answers" if "answers" in labelled.columns else "answer"
    known = labelled.drop_nulls([column, "outcome"]) if labelled.height else labelled
    found = estimate(*_arrays(known, column)) if known.height >= max(min_rows, 1) else _nothing(known.height)
    if not (isfinite(found.value) and isfinite(reference)):
        needed = f"{min_rows:,} are needed" if known.height < min_rows else "the metric cannot be computed on them"
        return _reading(metric, found, Level.NOT_ENOUGH, loop=loop, at=at, note=f"{known.height:,} labelled rows; {needed}")
    low, high = _widened(found, chunk_sd, _chunks(known, chunk))
    sign = 1.0 if higher_is_better else -1.0
    worse = sign * (reference - found.value)
    reach = (high - found.value if higher_is_better else found.value - low) * _deviations(SURE) / _deviations(found.level)
    unsure = _deviations(SURE) * reference_se if isfinite(reference_se) else 0.0
    breach = hypot(reach, unsure) < worse and worse > drop
    return _reading(
        metric,
        found,
        Level.BREACH if breach else Level.OK,
        loop=loop,
        at=at,
        threshold=reference - sign * drop,
        low=low,
        high=high,
        effect=worse / drop - 1 if drop > 0 else (worse / found.se if found.se > 0 else 0.0),
        note=f"{metric} {found.value:.3f} [{low:.3f}, {high:.3f}] on {known.height:,} labelled rows; {reference:.3f} when it was made",
    )


def _arrays(known: pl.DataFrame, column: str) -> tuple[Array, Array]:
    answers = known[column]
    scores = np.array(answers.to_list(), dtype=np.float64) if isinstance(answers.dtype, pl.List) else answers.to_numpy()
    return known["outcome"].to_numpy(), scores


def _nothing(rows: int) -> Estimate:
    return Estimate(value=nan, low=nan, high=nan, n=rows)


def _chunks(known: pl.DataFrame, chunk: timedelta) -> int:
    return known["time"].dt.truncate(chunk).n_unique() if "time" in known.columns else 1


def _widened(found: Estimate, chunk_sd: float, chunks: int) -> tuple[float, float]:
    half = _deviations(found.level) * chunk_sd / sqrt(chunks) if isfinite(chunk_sd) else 0.0
    ends = (
        [end for end in (found.low, found.value - half) if isfinite(end)],
        [end for end in (found.high, found.value + half) if isfinite(end)],
    )
    return min(ends[0]), max(ends[1])


def _reading(
    metric: str,
    found: Estimate,
    level: Level,
    *,
    loop: str,
    at: datetime,
    note: str,
    threshold: float = nan,
    low: float = nan,
    high: float = nan,
    effect: float = 0.0,
) -> Reading:
    return Reading(
        loop=loop,
        monitor="quality",
        subject=metric,
        time=at,
        value=found.value,
        threshold=threshold,
        level=level,
        rows=found.n,
        low=low,
        high=high,
        effect=effect,
        note=note,
    )


def _deviations(level: float) -> float:
    """How many standard errors an interval of that level reaches to each side."""
    return NormalDist().inv_cdf(0.5 + level / 2)
