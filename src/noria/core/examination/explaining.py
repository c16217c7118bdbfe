"""What a candidate goes by, over many rows: each feature's parts in its answers, and how answers move with it."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.explaining import PartialDependence


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureParts:
    """One feature's parts in the answers to some rows.

    Attributes:
        size: Mean size of its part, on the explanation's scale.
        mean: Mean part: what it does to the average row.
        points: Of some rows: the rank of the feature's value among them (0 lowest, 1 highest, −1 missing), and its part.
    """

    feature: str
    size: float
    mean: float
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a candidate goes by.

    Attributes:
        method, scale, subject: As in `Explanation`.
        background: Digest of a Parquet blob of held-out rows, raw, with the answer as `__score`: what single
            answers are held against later.
        features: Largest parts first.
        partial: Of the features that move answers most.
    """

    method: str
    scale: str
    subject: str
    background: str
    rows: int
    features: tuple[FeatureParts, ...] = ()
    partial: tuple[PartialDependence, ...] = ()
