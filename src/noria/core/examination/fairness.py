"""How a candidate treats groups of people: rates per group, and the gaps between groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from noria.core.schema import Estimate

MEASURES: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "four_fifths": ("selection_rate",),
    "equal_opportunity": ("tpr",),
    "predictive_equality": ("fpr",),
    "equalised_odds": ("tpr", "fpr"),
    "predictive_parity": ("precision",),
    "calibration": ("calibration",),
    "mean_answer": ("mean_answer",),
    "error": ("mae",),
}
"""Each measure of fairness, and the rates whose gaps between groups it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMark:
    """What one group meets.

    Attributes:
        column: The column that makes the groups; several joined by " × " for an intersection.
        rates: Name to estimate: selection_rate, base_rate, tpr, fpr, fnr, precision, calibration (mean
            answer − mean outcome) and ece; for numbers mean_answer, base_rate (mean outcome), calibration, mae.
        score_psi: Distance of the group's scores from everybody else's (debiased PSI).
        positives: Rows with the favourable outcome; 0 for numbers.
        alike_at: The threshold at which the group would be selected as often as everybody is now. For
            analysis only: nothing deploys a threshold per group.
    """

    column: str
    group: str
    rows: int
    positives: int
    rates: Mapping[str, Estimate]
    score_psi: float = float("nan")
    alike_at: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The widest gap of one measure between any two groups of a column.

    Attributes:
        measure: One of `MEASURES`.
        rate: The rate in which the two groups differ.
        lowest, highest: The groups with the lowest and the highest rate.
        difference: highest − lowest, from 0, among the groups that have enough rows. The interval holds
            for all pairs of groups together.
        ratio: lowest / highest, up to 1, likewise; NaN where a ratio says nothing.
        p: Of "all groups are selected alike" (Fisher's exact test, or χ²); NaN for other measures.
        fewest: Rows that the smallest group of the column has for this rate (positives for tpr, …).
        enough: Whether every group of the column has enough of them, not only those that were compared.
    """

    column: str
    measure: str
    rate: str
    lowest: str
    highest: str
    difference: Estimate
    ratio: Estimate
    p: float = float("nan")
    fewest: int = 0
    enough: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessReport:
    """All groups of the declared columns, and of their intersections.

    Attributes:
        favourable: The class that is good to get; "" for numbers.
        threshold: Answers from here on count as selected.
        left_out: Groups that are too small to be judged, with their rows.
        unknown: Column to rows whose group is not known.
    """

    favourable: str
    threshold: float
    rows: int
    groups: tuple[GroupMark, ...] = ()
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
