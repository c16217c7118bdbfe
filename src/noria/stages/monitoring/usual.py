"""Limits from a monitor's own past readings, for what no training data can tell: errors, latencies, how outcomes come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, nan, sqrt

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from noria.core.watching import Level, Reading
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS, chunk_limit

LEVEL = 0.9973
"""Coverage of the intervals that must lie beyond a limit: three deviations to each side, so that chance alone hardly alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a monitor's past readings say; NaN while there are too few.

    Attributes:
        mean: Of the past values.
        high, low: What the next one stays within, as surely as three deviations, chunks being as alike as they are.
        chunks: Readings behind it.
    """

    mean: float
    high: float
    low: float
    chunks: int

    @property
    def known(self) -> bool:
        """Whether there were readings enough."""
        return isfinite(self.high)


def usual_of(past: Sequence[float]) -> Usual:
    """Learn from past values, oldest first; breaches are to be left out, or trouble would become usual."""
    values = np.array([value for value in past if isfinite(value)])
    if len(values) < FEWEST_CHUNKS:
        return Usual(mean=nan, high=nan, low=nan, chunks=len(values))
    return Usual(mean=float(values.mean()), high=chunk_limit(values).limit, low=-chunk_limit(-values).limit, chunks=len(values))


def share_interval(events: int, rows: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a share (Wilson 1927); NaN of no rows."""
    if not rows:
        return nan, nan
    wide, share = float(ndtri(0.5 + level / 2)), events / rows
    shrunk = 1 + wide**2 / rows
    middle, half = share + wide**2 / (2 * rows), wide * sqrt(share * (1 - share) / rows + wide**2 / (4 * rows**2))
    return max((middle - half) / shrunk, 0.0), min((middle + half) / shrunk, 1.0)


def quantile_interval(ordered: np.ndarray, part: float, level: float = LEVEL) -> tuple[float, float, float]:
    """A quantile with its interval from order statistics, whatever the distribution; NaN of no rows.

    Args:
        ordered: Ascending, shape (rows,).

    Returns:
        The quantile, low and high.
    """
    rows = len(ordered)
    if not rows:
        return nan, nan, nan
    low, high = (int(binom.ppf(tail, rows, part)) for tail in ((1 - level) / 2, (1 + level) / 2))
    at = [max(min(place, rows - 1), 0) for place in (int(np.ceil(part * rows)) - 1, low - 1, high)]
    return float(ordered[at[0]]), float(ordered[at[1]]), float(ordered[at[2]])


def held_against(
    monitor: str,
    subject: str,
    value: tuple[float, float, float],
    limit: float,
    *,
    loop: str,
    at: datetime,
    rows: int,
    enough: bool,
    note: str,
    below: bool = False,
    learning: str = "",
) -> Reading:
    """A reading that breaches when its whole interval lies beyond the limit.

    Args:
        value: The value, low and high.
        limit: NaN = none yet.
        enough: Whether there were rows enough for a verdict.
        below: Whether less is worse.
        learning: What is still being learnt; said where there is no limit yet.
    """
    found, low, high = value
    judged = enough and isfinite(limit) and isfinite(found)
    beyond = judged and (high < limit if below else low > limit)
    level = Level.BREACH if beyond else Level.OK if judged else Level.NOT_ENOUGH
    effect = 0.0
    if judged and limit > 0:
        effect = (limit - found) / limit if below else found / limit - 1
    return Reading(
        loop=loop,
        monitor=monitor,
        subject=subject,
        time=at,
        value=found,
        threshold=limit,
        level=level,
        rows=rows,
        low=low,
        high=high,
        effect=effect,
        note=note if judged or not learning else f"{note}; {learning}",
    )


def still_learning(usual: Usual) -> str:
    """Say how far the learning is."""
    return "" if usual.known else f"what is usual is learnt from {FEWEST_CHUNKS} chunks, {usual.chunks} so far"
