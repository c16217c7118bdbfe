"""Whether values are still what they should be: there, of their kind, within their range, and as many different ones as ever.

Each share has a limit: the largest of a floor below which nobody should be told, of what is usual
in the reference's own chunks, and of what chance alone does to a chunk of so few rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from noria.core.declaration.watch import DATA_QUALITY
from noria.core.schema import Kind
from noria.core.watching import DriftReference, FeatureReference, Reading
from noria.stages.monitoring import cardinality
from noria.stages.monitoring.chunk_limits import share_limit
from noria.stages.monitoring.counting import ChunkCounts, Counted
from noria.stages.monitoring.grid import grid_of
from noria.stages.monitoring.reading import Look

MISSING_FLOOR = 0.02
"""Share of missing values that is never worth an alert."""

FLOORS = {"type": 0.005, "range": 0.005, "unseen": 0.01}
"""Shares of other trouble that are never worth an alert."""

CARDINALITY_FLOOR = 0.5
"""Change in the number of different values that is never worth an alert, in powers of two: × 1.4, or less by a third."""

CARDINALITY_UNCALIBRATED = 1.0
"""The same where no chunks say what is usual: twice as many, or half."""

_SAID = {
    "type": "{share} of values are no {kind}",
    "range": "{share} of values outside {range}, the range of the reference",
    "unseen": "{share} of values were never seen in the reference",
}


def readings(reference: DriftReference, counts: ChunkCounts, look: Look, *, monitors: Collection[str] = DATA_QUALITY) -> list[Reading]:
    """Read the quality of each feature, of the answers and of the outcomes.

    Missing outcomes are none of it: they may only be late.

    Args:
        monitors: Which ones to read, of `DATA_QUALITY`.
    """
    found: list[Reading] = []
    for feature in reference.features:
        if feature.name in counts.features:
            found += _of(feature, counts.features[feature.name], look, monitors)
    if counts.score is not None and reference.score is not None:
        found += _of(reference.score, counts.score, look, monitors)
    if counts.outcome is not None and reference.outcome is not None:
        found += _of(reference.outcome, counts.outcome, look, [name for name in monitors if name != "missing"])
    return found


def missing(feature: FeatureReference, counted: Counted, look: Look) -> Reading:
    """Read the share of rows without a value that the model could use."""
    rows = counted.rows
    share = counted.missing / rows if rows else float("nan")
    usual = feature.counts[-1] / max(sum(feature.counts), 1)
    limit = max(MISSING_FLOOR, feature.missing_limit, share_limit(usual, sum(feature.counts), rows) - 1 / max(rows, 1))
    return look.reading("missing", feature.name, share, limit, rows, note=f"{share:.0%} missing, {usual:.0%} in the reference")


def _of(feature: FeatureReference, counted: Counted, look: Look, monitors: Collection[str]) -> Iterator[Reading]:
    if "missing" in monitors:
        yield missing(feature, counted, look)
    if not feature.kind:
        return
    if "type" in monitors:
        yield _share("type", feature, counted.unparsed, counted, look)
    if "range" in monitors and feature.extent is not None:
        yield _share("range", feature, grid_of(feature).outside(counted.bins), counted, look)
    if "unseen" in monitors and feature.known:
        yield _share("unseen", feature, counted.unseen, counted, look)
    if "cardinality" in monitors and feature.distinct and feature.kind != Kind.BOOL:
        yield _cardinality(feature, counted, look)


def _share(monitor: str, feature: FeatureReference, hits: int, counted: Counted, look: Look) -> Reading:
    rows, usual = counted.rows, feature.usual.get(monitor, 0.0)
    share = hits / rows if rows else float("nan")
    limit = max(FLOORS[monitor], feature.limits.get(monitor, 0.0), share_limit(usual, sum(feature.counts), rows))
    within = f"{feature.extent.low:.4g} to {feature.extent.high:.4g}" if feature.extent is not None else ""
    note = _SAID[monitor].format(share=f"{share:.1%}", kind=feature.kind, range=within)
    return look.reading(monitor, feature.name, share, limit, rows, note=f"{note} ({usual:.1%} in it)" if usual else note)


def _cardinality(feature: FeatureReference, counted: Counted, look: Look) -> Reading:
    there = counted.rows - counted.missing + min(counted.unparsed, counted.missing)
    found = counted.distinct.count
    change = cardinality.surprise(feature, found, there)
    usual = found / 2**change if change == change else float("nan")
    floor = CARDINALITY_FLOOR if "cardinality" in feature.limits else CARDINALITY_UNCALIBRATED
    limit = max(floor, feature.limits.get("cardinality", 0.0))
    note = f"{found:,.0f} different values among {there:,} rows, where {usual:,.0f} are usual"
    return look.reading(
        "cardinality",
        feature.name,
        abs(change),
        limit,
        there,
        note=note,
        numbers={"different": found, "usual": usual} if usual == usual else None,
    )
