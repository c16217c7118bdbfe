"""How outcomes come in: whether those that are due have come, and how late they are, held against what has been usual."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from noria.core.watching import Reading
from noria.stages.monitoring.usual import held_against, quantile_interval, share_interval, still_learning, usual_of

COVERAGE, DELAY = "label-coverage", "label-delay"
"""Names of the monitors."""

SUBJECT = "outcomes"
LATER = 1.25
"""How many times as late as usual is worth an alert at least."""

_DAY_S = 86_400.0

Array = NDArray[np.float64]


def coverage(
    labelled: int, due: int, past: Sequence[float], *, loop: str, at: datetime, at_least: float = nan, min_rows: int = 250
) -> Reading:
    """Read the share of due predictions that have their outcome; it breaches when that is surely too small.

    Args:
        past: Past shares, oldest first, without breaches.
        at_least: The least share that is declared to be right; NaN = what has been usual decides.
    """
    usual = usual_of(past)
    limit = at_least if isfinite(at_least) else max(usual.low, 0.0) if usual.known else nan
    note = f"{labelled:,} of {due:,} predictions whose outcome is due have it" + (f", usually {usual.mean:.0%}" if usual.known else "")
    value = (labelled / due if due else nan, *share_interval(labelled, due))
    enough = due >= max(min_rows, 1)
    learning = "" if isfinite(at_least) else still_learning(usual)
    return held_against(
        COVERAGE, SUBJECT, value, limit, loop=loop, at=at, rows=due, enough=enough, note=note, below=True, learning=learning
    )


def delay(ages_s: Array, past: Sequence[float], *, loop: str, at: datetime, at_most_s: float = nan, min_rows: int = 250) -> Reading:
    """Read the age, in days, within which nine of ten outcomes came; it breaches when that is surely too late.

    Args:
        ages_s: Ages at which the outcomes of this chunk were first told, shape (outcomes,).
        past: Past readings in days, oldest first, without breaches.
        at_most_s: The age that is declared to be right; NaN = what has been usual decides.
    """
    usual = usual_of(past)
    days = np.sort(ages_s) / _DAY_S
    limit = at_most_s / _DAY_S if isfinite(at_most_s) else max(usual.high, LATER * usual.mean) if usual.known else nan
    value = quantile_interval(days, 0.9)
    note = "no outcome came"
    if len(days):
        note = f"half of {len(days):,} outcomes came within {np.median(days):.2f} days, nine of ten within {value[0]:.2f}"
        note += f" (usually {usual.mean:.2f})" if usual.known else ""
    enough = len(days) >= max(min_rows, 1)
    learning = "" if isfinite(at_most_s) else still_learning(usual)
    return held_against(DELAY, SUBJECT, value, limit, loop=loop, at=at, rows=len(days), enough=enough, note=note, learning=learning)
