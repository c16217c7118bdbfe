"""Values that the reference never had: texts unseen, numbers beyond its smallest and largest."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import nbinom

FLOOR = 0.005
"""Share of rows with new values that is never worth a finding."""

_SHOWN = 3


def unseen(before: pl.Series, now: pl.Series) -> tuple[int, int, str]:
    """Count rows whose text the reference never had.

    Returns:
        Such rows, texts that the reference had exactly once, and the most frequent new ones in words.
    """
    counts = before.alias("text").drop_nulls().value_counts(name="rows")
    new = now.alias("text").drop_nulls()
    new = new.filter(~new.is_in(counts["text"].implode()))
    most = new.value_counts(name="rows").sort(["rows", "text"], descending=[True, False]).head(_SHOWN)
    shown = ", ".join(f"{text[:40]!r} ({rows:,})" for text, rows in most.iter_rows())
    return new.len(), int((counts["rows"] == 1).sum()), shown


def outside(now: pl.Series, low: float, high: float) -> tuple[int, str]:
    """Count numbers below `low` or above `high`; the farthest in words."""
    below, above = int((now < low).sum()), int((now > high).sum())
    numbers = now.cast(pl.Float64).to_numpy()
    said = [f"{below:,} below {low:.6g} (least {np.nanmin(numbers):.6g})"] if below else []
    said += [f"{above:,} above {high:.6g} (most {np.nanmax(numbers):.6g})"] if above else []
    return below + above, ", ".join(said)


def novelty_limit(once: int, reference_rows: int, rows: int, *, level: float) -> float:
    """The share of new values that chance alone stays below with probability `level`.

    Where f of N reference rows hold a value that no other holds, a further row holds a new one with
    a chance near f/N (Good 1953), itself known about as well as a Gamma(f)/N. So the number among M
    rows is negative binomial; f is 2 for a range, whose ends are one value each.
    """
    if rows < 1 or reference_rows < 1:
        return 1.0
    most = float(nbinom.ppf(level, max(once, 1), reference_rows / (reference_rows + rows)))
    return max(FLOOR, most / rows)
