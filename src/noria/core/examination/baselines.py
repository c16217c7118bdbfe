"""Models so simple that a candidate must be worth its trouble beside them."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.examination.comparing import Claim
from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMark:
    """One simple model on the rows that judged the candidate.

    Attributes:
        name: "constant", "one-feature", "linear", "median", "last-value" or "seasonal".
        says: What it does, in words: "logistic regression on all 12 features".
        versus: Candidate − baseline on the same rows, positive = the candidate is better.
        rows: Rows that it was trained on.
    """

    name: str
    says: str
    mark: Estimate
    versus: Estimate
    claim: Claim
    rows: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMetric:
    """The candidate against the baseline that is best by one metric."""

    metric: str
    baseline: str
    versus: Estimate
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """All simple models beside one candidate.

    Attributes:
        marks: Best first.
        best: Name of the first; "" when none could be trained.
        note: Says that the candidate is not shown to be better than the best baseline, when it is not.
        by_metric: The candidate against the baseline that is best by each metric of the task: what gates ask for.
    """

    metric: str
    marks: tuple[BaselineMark, ...]
    best: str = ""
    note: str = ""
    by_metric: tuple[BaselineMetric, ...] = ()
