"""Like with like: a Monday is held against Mondays, where the reference has enough of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from noria.core.moments import duration, to_ms
from noria.core.watching import DriftReference, FeatureReference

Phases = Mapping[int, float]
"""Phase of the season to the share of a chunk that lies in it."""

_SMALL = 1e-9


def phases_of(reference: DriftReference, start: datetime | None, end: datetime) -> Phases:
    """The phases that a chunk lies in: two, when monitors' chunks begin at another hour than the season's; none without a season.

    Phases are counted from 1 January 1970, UTC, in chunks.
    """
    if not reference.season or start is None or end <= start:
        return {}
    chunk_ms = max(round(duration(reference.chunk).total_seconds() * 1000), 1)
    many = max(1, round(duration(reference.season).total_seconds() * 1000 / chunk_ms))
    begin, until = to_ms(start) / chunk_ms, to_ms(end) / chunk_ms
    found: dict[int, float] = {}
    for number in range(int(np.floor(begin)), int(np.ceil(until))):
        share = (min(until, number + 1) - max(begin, number)) / (until - begin)
        if share > _SMALL:
            found[number % many] = found.get(number % many, 0.0) + share
    return found


def expected_counts(feature: FeatureReference, phases: Phases) -> tuple[NDArray[np.float64], bool]:
    """The counts that a chunk is held against, and whether they are those of its own phases."""
    own = feature.seasonal
    if own is None or not phases or not all(phase < len(own.counts) and own.counts[phase] for phase in phases):
        return np.asarray(feature.counts, dtype=np.float64), False
    rows = {phase: np.asarray(own.counts[phase], dtype=np.float64) for phase in phases}
    shares = sum(weight * rows[phase] / max(rows[phase].sum(), 1.0) for phase, weight in phases.items())
    fewest = min(counts.sum() for counts in rows.values())
    return np.asarray(shares * fewest), True
