"""How a candidate behaves when its inputs are not what they were: under strain, and in tests of behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """One thing done to the inputs, at one severity.

    Attributes:
        to: "noise", "missing", "unseen", "scaled" or "swapped".
        features: What it was done to: one feature, two that were swapped, or all ("*",).
        severity: noise: standard deviations; missing and unseen: share of rows; scaled: the factor; swapped: 1.
        metric: What falls.
        fall: By how much it gets worse, in its own units; positive is worse.
        changed: Share of rows whose answer changed: another class, or a number by more than a
            tenth of the answers' standard deviation.
        note: Why it could not be told: such an input breaks the loop's own code, as a request with it would.
    """

    to: str
    features: tuple[str, ...]
    severity: float
    fall: Estimate
    changed: float
    metric: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row on which the model did not behave."""

    key: str
    change: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """A declared expectation of how the model answers, tried on rows.

    Attributes:
        test: "invariant", "monotone" or "expected".
        name: Its gate, in words.
        subject: The column that was changed, or the file of cases.
        tried: Changed rows, or cases.
        violated: Share of them on which it did not hold, with its interval.
        worst: The clearest violations, worst first.
        note: Why nothing could be tried, or "".
        cases: Digest of the file of cases as it was then, or "".
    """

    test: str
    name: str
    subject: str
    tried: int
    violated: Estimate
    worst: tuple[Example, ...] = ()
    note: str = ""
    cases: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """All strains and behaviour tests of one candidate.

    Attributes:
        metric: The loop's main metric; gates may have asked for others too.
        base: Metric to its value without any strain, on the same rows.
        rows: Rows that were strained: a sample of those that judge.
        left_out: Features that were not strained one by one, for want of time.
    """

    metric: str
    base: Mapping[str, Estimate]
    rows: int
    strains: tuple[Strain, ...] = ()
    behaviours: tuple[Behaviour, ...] = ()
    left_out: tuple[str, ...] = ()
