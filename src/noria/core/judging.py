"""Values of the evaluation and governance stations: marks, comparisons and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from noria.core.schema import Estimate, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMark:
    """One metric on one slice of the rows; `versus` is candidate − champion there, when there is a champion."""

    column: str
    value: str
    metric: str
    mark: Estimate
    versus: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """One candidate's marks on the newest rows, which it was not trained on.

    Attributes:
        made_from: Digests of the candidate and of the feature set: lineage is this line.
        metrics: Metric name to value with interval.
        versus_champion: Metric name to paired difference, signed so that positive means the
            candidate is better; empty when there is no champion.
        design_effect: Metric name to how many times the variance of that difference is the one that
            independent rows would have (1 = independent); rows of one day have their day in common.
        agreement: How far candidate and champion agree on these rows (rank correlation, or share of the same
            likeliest class); None without a champion.
        latency_p99_ms: Measured on single rows, through the serving form.
        examination: Digest of the `Examination` blob: what was looked at behind these marks; "" = nothing more was.
    """

    made_from: tuple[str, ...]
    task: Task
    rows: int
    start: datetime
    end: datetime
    metrics: Mapping[str, Estimate]
    champion: str = ""
    champion_metrics: Mapping[str, Estimate] = field(default_factory=dict)
    versus_champion: Mapping[str, Estimate] = field(default_factory=dict)
    design_effect: Mapping[str, float] = field(default_factory=dict)
    slices: tuple[SliceMark, ...] = ()
    latency_p50_ms: float = float("nan")
    latency_p99_ms: float = float("nan")
    size_bytes: int = 0
    examination: str = ""
    agreement: Estimate | None = None


class Outcome(StrEnum):
    """How a verdict, or one gate of it, came out."""

    PASS = "pass"
    FAIL = "fail"
    NEEDS_APPROVAL = "needs-approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate's say, with the numbers that it saw."""

    gate: str
    outcome: Outcome
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All gates' say about a candidate: fail beats needs-approval beats pass."""

    outcome: Outcome
    results: tuple[GateResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A named person's decision on a turn that waits for one."""

    turn: str
    granted: bool
    by: str
    reason: str
    at: datetime
