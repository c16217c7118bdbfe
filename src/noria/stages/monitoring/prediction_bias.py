"""Whether what a model says comes true on average: mean answer less mean outcome, on rows whose outcomes are known."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

from noria.core.schema import Estimate
from noria.core.watching import Level, Reading

MONITOR = "prediction-bias"


def bias_reading(subject: str, bias: Estimate, came_true: float, *, loop: str, at: datetime, by: float, min_rows: int) -> Reading:
    """Read the bias; it breaches when it is larger than `by` to either side and its interval excludes none.

    Args:
        subject: "answers", or the class that the probabilities are of.
        bias: Mean answer less mean outcome, with its interval.
        came_true: The mean outcome.
        by: A bias that does not matter, in units of the answer.
    """
    enough = bias.n >= max(min_rows, 1) and isfinite(bias.value) and isfinite(bias.low)
    sure = bias.low > 0 or bias.high < 0
    breach = enough and sure and abs(bias.value) > by
    said = f"says {came_true + bias.value:.4g} on average, {came_true:.4g} came true (off by {bias.value:+.3g} [{bias.low:+.3g}, {bias.high:+.3g}])"
    return Reading(
        loop=loop,
        monitor=MONITOR,
        subject=subject,
        time=at,
        value=bias.value,
        threshold=by if bias.value >= 0 or not isfinite(bias.value) else -by,
        level=Level.BREACH if breach else Level.OK if enough else Level.NOT_ENOUGH,
        rows=bias.n,
        low=bias.low,
        high=bias.high,
        effect=abs(bias.value) / by - 1 if enough and by > 0 else 0.0,
        note=f"{said} on {bias.n:,} rows" if enough else f"{bias.n:,} labelled rows; {min_rows:,} are needed",
    )
