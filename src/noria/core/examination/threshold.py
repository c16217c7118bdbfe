"""From which probability on a model says yes, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.costs import Costs
from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CostMark:
    """What one threshold costs per row.

    Attributes:
        name: "chosen", "half" (0.5), "calibrated" (what costs alone say, if a score of p comes true p of the time),
            "never" or "always" (one answer for everybody).
        alerts: Share of rows answered with yes.
    """

    name: str
    threshold: float
    cost: Estimate
    alerts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChoice:
    """A threshold chosen on rows that neither trained the model nor judge it.

    Attributes:
        threshold: From this P(positive) on the answer is yes.
        cost: Expected cost per row there, on the rows that it was chosen on.
        low, high: Thresholds whose cost is not shown to be higher than the chosen one's.
        calibrated: FP / (FP + FN), with benefits counted: the best threshold of a calibrated score.
        capacity: At most this share of rows may be answered with yes; 1 = all.
        bound: Whether the capacity, not the costs, decided.
        rows: Rows that it was chosen on.
        costs: What it was chosen by.
        judged: Costs at this and at plain thresholds on the rows that judge; filled by the evaluation.
        reason: The same in one sentence.
    """

    threshold: float
    cost: Estimate
    low: float
    high: float
    calibrated: float
    rows: int
    capacity: float = 1.0
    bound: bool = False
    costs: Costs | None = None
    judged: tuple[CostMark, ...] = ()
    reason: str = ""
