"""Two models held against each other on the same rows: what is shown, how surely, and by which test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from noria.core.schema import Estimate


class Claim(StrEnum):
    """What a comparison has shown, in the words that people read."""

    BETTER = "shown better"
    NOT_WORSE = "shown not worse"
    NOT_SHOWN = "not shown"
    WORSE = "shown worse"


def claimed(difference: Estimate, margin: float = 0.0) -> Claim:
    """What an interval shows: BETTER when all of it lies above 0, else NOT_WORSE when it lies above −margin, else WORSE when it lies below 0.

    One interval answers all three without any adjustment: its ends are fixed before the margin is
    looked at, so each answer is wrong with at most half of what the level leaves (closed testing).

    >>> claimed(Estimate(value=0.01, low=-0.004, high=0.024, n=900), margin=0.005)
    <Claim.NOT_WORSE: 'shown not worse'>
    """
    if difference.low > 0:
        return Claim.BETTER
    if difference.low > -margin:
        return Claim.NOT_WORSE
    return Claim.WORSE if difference.high < 0 else Claim.NOT_SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of two models on the same rows.

    Attributes:
        difference: First − second, signed so that positive means that the first is better.
        margin: How much worse still counts as not worse, in units of the metric.
        claim: See `claimed`.
        equivalent: Whether the whole interval lies within ± margin.
        p_equal: Two-sided p-value of "there is no difference".
        p_worse: One-sided p-value of "the first is worse by the margin or more"; small = not worse.
        p_apart: p-value of "they differ by the margin or more" (the larger of two one-sided tests).
        method: "influence" (DeLong for ROC AUC, clustered by time block) or "bootstrap".
    """

    metric: str
    difference: Estimate
    claim: Claim
    margin: float = 0.0
    equivalent: bool = False
    p_equal: float = float("nan")
    p_worse: float = float("nan")
    p_apart: float = float("nan")
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Where two models' answers differ: which of them was right there, and whether that is more than chance (McNemar 1947).

    Attributes:
        first_only: Rows that only the first answered rightly.
        second_only: Rows that only the second answered rightly.
        difference: In accuracy, first − second.
        method: "exact", "mid-p" or "clustered" (Durkalski 2003).
        p_value: Two-sided, of "both are right equally often".
        clusters: Blocks of time behind it; 0 = rows taken as independent.
        threshold: From this probability on an answer counts as yes (binary tasks).
    """

    rows: int
    both_right: int
    first_only: int
    second_only: int
    both_wrong: int
    difference: Estimate
    method: str
    p_value: float
    claim: Claim
    clusters: int = 0
    threshold: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialComparison:
    """Mean losses of two models over time, with an error that allows for days that resemble their neighbours.

    The test of Diebold & Mariano (1995).

    Attributes:
        difference: In the metric, first − second, signed so that positive means that the first is better.
        blocks: Steps of time (days, say) that were compared.
        method: "harvey-leybourne-newbold" where the horizon is stated, else "cosines".
        horizon: Steps over which differences may be correlated, where it is stated; else 0.
        freedom: Degrees of freedom of Student's t that the statistic is held against.
    """

    metric: str
    difference: Estimate
    blocks: int
    method: str
    horizon: int
    freedom: int
    statistic: float
    p_value: float
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivalry:
    """Candidate against champion, by every test that fits; parts that were not possible are None or empty."""

    first: str
    second: str
    comparisons: tuple[Comparison, ...] = ()
    disagreement: Disagreement | None = None
    serial: SerialComparison | None = None
