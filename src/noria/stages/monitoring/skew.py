"""Whether features were online what they are offline, and how fresh and how full the views are that serve them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import nan

import numpy as np
from numpy.typing import NDArray

from noria.core.watching import Reading
from noria.stages.monitoring.usual import Usual, held_against, quantile_interval, share_interval, still_learning, usual_of

SKEW, MISSING, AGE = "skew", "view-missing", "view-age"
"""Names of the monitors."""

NEVER_MIND = 0.05
"""A share of requests without a view's values that is never worth an alert."""

OLDER = 1.5
"""How many times as old as usual is worth an alert at least, where no `ttl` is declared."""

_HOUR_S = 3_600.0


def skew(
    differing: Mapping[str, int], rows: int, examples: Sequence[str], *, loop: str, at: datetime, equal: float, min_rows: int
) -> list[Reading]:
    """Read, for each feature, the share of requests whose value is bit-equal offline; it breaches when that is surely below `equal`.

    Args:
        differing: Feature to requests that differ in it, 0 where none does.
        examples: Differences in words; the first that names a feature is told with it.
    """
    found = []
    for feature, count in differing.items():
        same = rows - count
        note = f"{count:,} of {rows:,} requests were served another value than training would have seen"
        example = next((one for one in examples if f" {feature} served " in f" {one}"), "")
        note = f"{note}; {example}" if count and example else note if count else f"{rows:,} requests, all bit-equal"
        value = (same / rows if rows else nan, *share_interval(same, rows))
        enough = rows >= max(min_rows, 1)
        one = held_against(SKEW, feature, value, equal, loop=loop, at=at, rows=rows, enough=enough, note=note, below=True)
        found.append(one)
    return found


def missing(view: str, empty: int, rows: int, past: Sequence[float], *, loop: str, at: datetime, min_rows: int) -> Reading:
    """Read the share of requests for which a view had nothing; it breaches when that is surely more than usual."""
    usual = usual_of(past)
    limit = max(NEVER_MIND, usual.high) if usual.known else nan
    note = f"{view} had nothing for {empty:,} of {rows:,} requests" + (f", usually {usual.mean:.1%}" if usual.known else "")
    value = (empty / rows if rows else nan, *share_interval(empty, rows))
    enough = rows >= max(min_rows, 1)
    return held_against(MISSING, view, value, limit, loop=loop, at=at, rows=rows, enough=enough, note=note, learning=still_learning(usual))


def age(
    view: str, ages_s: NDArray[np.float64], past: Sequence[float], *, loop: str, at: datetime, ttl_s: float = nan, min_rows: int
) -> Reading:
    """Read, in hours, the age that nine of ten served values stay below; the limit is the view's `ttl`, else what has been usual.

    Args:
        ages_s: Of the newest row that was there for each request, NaN where there was none.
    """
    usual = usual_of(past)
    hours = np.sort(ages_s[np.isfinite(ages_s)]) / _HOUR_S
    limit = ttl_s / _HOUR_S if ttl_s == ttl_s else _older(usual)
    value = quantile_interval(hours, 0.9)
    note = f"nine of ten values are at most {value[0]:.1f} hours old" if len(hours) else "no values"
    note += f"; older than {limit:.1f} counts as missing" if ttl_s == ttl_s else ""
    learning = "" if ttl_s == ttl_s else still_learning(usual)
    enough = len(hours) >= max(min_rows, 1)
    return held_against(AGE, view, value, limit, loop=loop, at=at, rows=len(hours), enough=enough, note=note, learning=learning)


def _older(usual: Usual) -> float:
    return max(usual.high, OLDER * usual.mean) if usual.known else nan
