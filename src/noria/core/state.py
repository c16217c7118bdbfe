"""Where a loop stands now: small documents that pages and commands read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from noria.core.schema import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasState:
    """Where an alias points; the history is in `AliasMove`s."""

    model: str
    alias: str
    version: int | None
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """One loop as a person wants to see it at a glance.

    Attributes:
        phase: "newborn", "serving", "turning", "rolling-out" or "waiting-for-approval".
        next_action: What happens next and when, in words.
        last_decision: The newest decision of the retrain policy, in words, with its event id.
        declared: The declaration in words: part name ("features", "gates", …) to text.
        watched_until: Event time up to which monitors have looked.
        quality_metric: The metric its pages show first.
        isolated: Whether its champion answers from processes of its own.
        explain: Share of answers that are kept with their reasons.
        held: Why no challenger comes in until a person resumes the loop; "" = one may.
    """

    name: str
    description: str
    file: str
    code: str
    task: Task | None
    phase: str
    champion: int | None = None
    challenger: int | None = None
    turn: str = ""
    next_action: str = ""
    last_decision: str = ""
    last_decision_event: str = ""
    declared: Mapping[str, str] = field(default_factory=dict)
    watched_until: datetime | None = None
    last_turn_at: datetime | None = None
    quality_metric: str = ""
    paused: bool = False
    isolated: bool = False
    explain: float = 0.0
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPoint:
    """What flowed through one deployment in one bucket of event time.

    Attributes:
        requests: Requests answered, by version number as text ("3").
        shadowed: Shadow answers computed.
        fallbacks: Challenger failures that the champion answered.
        failed: Requests that got no answer.
        mean_answer: Mean answer by version (binary: mean score).
    """

    loop: str
    start: datetime
    seconds: float
    requests: Mapping[str, int]
    shadowed: int = 0
    fallbacks: int = 0
    failed: int = 0
    latency_p50_us: float = 0.0
    latency_p99_us: float = 0.0
    outcomes: int = 0
    mean_answer: Mapping[str, float] = field(default_factory=dict)
