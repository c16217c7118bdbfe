"""Errors and latencies of one chunk, held against what has been usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import exp, isfinite, log, nan

import numpy as np
from numpy.typing import NDArray

from noria.core.watching import Reading
from noria.stages.monitoring.usual import Usual, held_against, quantile_interval, share_interval, still_learning, usual_of

ERRORS, LATENCY = "errors", "latency"
"""Names of the monitors."""

GRACE_MS = 20.0
"""Latencies are compared as log(this + latency): below it nobody feels a difference."""

SLOWER = 1.5
"""How many times as slow as usual, by what is felt, is worth an alert at least."""

NEVER_MIND = 0.005
"""A share of failed requests that is never worth an alert, where no limit is declared."""

_WHAT = {"failed": "requests got no answer", "fallbacks": "requests were answered by the champion in a failing challenger's place"}

QUANTILES = {"p50": 0.5, "p99": 0.99}

Array = NDArray[np.float64]


def errors(
    counts: Mapping[str, int],
    asked: int,
    past: Mapping[str, Sequence[float]],
    *,
    loop: str,
    at: datetime,
    at_most: float = nan,
    min_rows: int,
) -> list[Reading]:
    """Read the share of requests that failed, and of those that the champion had to answer for a challenger.

    It breaches when the share is surely above the limit: the one that was declared, else what has
    been usual, and `NEVER_MIND`.

    Args:
        counts: "failed" and "fallbacks".
        asked: Requests in the chunk.
        past: Subject to its past shares, oldest first, without breaches.
        at_most: The share that is declared to be right; NaN = what has been usual decides.
    """
    found = []
    for subject, events in counts.items():
        usual = usual_of(past.get(subject, ()))
        limit = at_most if isfinite(at_most) else max(NEVER_MIND, usual.high) if usual.known else nan
        note = f"{events:,} of {asked:,} {_WHAT[subject]}" + (f", usually {usual.mean:.2%}" if usual.known else "")
        value = (events / asked if asked else nan, *share_interval(events, asked))
        enough = asked >= max(min_rows, 1)
        learning = "" if isfinite(at_most) else still_learning(usual)
        found.append(held_against(ERRORS, subject, value, limit, loop=loop, at=at, rows=asked, enough=enough, note=note, learning=learning))
    return found


def slowness(
    latency_ms: Array, past: Mapping[str, Sequence[float]], *, loop: str, at: datetime, most: Mapping[str, float], min_rows: int
) -> list[Reading]:
    """Read the median and the 99th percentile of what users waited.

    It breaches when that is surely above the limit: the one that was declared, else what has been
    usual, and half as slow again by what is felt.

    Args:
        latency_ms: Of the requests of the chunk, shape (rows,).
        past: Quantile to its past values in ms, oldest first, without breaches.
        most: Quantile to its declared limit in ms.
    """
    ordered, found = np.sort(latency_ms), []
    for subject, part in QUANTILES.items():
        usual = usual_of([log(GRACE_MS + value) for value in past.get(subject, ())])
        limit = most.get(subject, _felt_limit(usual))
        value = quantile_interval(ordered, part)
        note = f"{subject} {value[0]:.1f} ms over {len(ordered):,} requests" if len(ordered) else "no requests"
        if usual.known:
            note += f", usually {exp(usual.mean) - GRACE_MS:.1f} ms"
        enough = len(ordered) >= max(min_rows, 1)
        learning = "" if subject in most else still_learning(usual)
        found.append(
            held_against(LATENCY, subject, value, limit, loop=loop, at=at, rows=len(ordered), enough=enough, note=note, learning=learning)
        )
    return found


def _felt_limit(usual: Usual) -> float:
    return max(exp(usual.high), SLOWER * exp(usual.mean)) - GRACE_MS if usual.known else nan
