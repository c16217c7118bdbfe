"""What a model leans on: how much worse it answers without a feature."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureImportance:
    """One feature, or several that move together.

    Attributes:
        features: The columns that were taken away at once.
        lost: By how much the metric is worse without them, paired on the same rows (positive = they help).
        share: Of the sum of all positive losses, 0 to 1.
    """

    features: tuple[str, ...]
    lost: Estimate
    share: float = 0.0

    @property
    def name(self) -> str:
        """The features' names, joined."""
        return " + ".join(self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What one model leans on.

    Attributes:
        method: "permutation" (the column is shuffled and the model asked again) or "lofo" (trained again without it).
        features: Most important first.
        repeats: Shuffles per feature that were averaged.
        note: What was left out, in words.
    """

    method: str
    metric: str
    features: tuple[FeatureImportance, ...]
    rows: int
    repeats: int = 1
    note: str = ""

    def shares(self) -> dict[str, float]:
        """Share of each single feature; those of a group have equal parts of it."""
        return {name: one.share / len(one.features) for one in self.features for name in one.features}
