"""Values of the loop itself: signals, turns, steps, rollouts and the events of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from noria.core.schema import Estimate


class Cause(StrEnum):
    """Why the loop turns."""

    BIRTH = "birth"
    DRIFT = "drift"
    QUALITY = "quality"
    SCHEDULE = "schedule"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A reason to turn, weighed by the retrain policy; `events` are the ids behind it."""

    id: str
    loop: str
    cause: Cause
    reason: str
    at: datetime
    by: str = "noria"
    events: tuple[str, ...] = ()


class TurnState(StrEnum):
    """Where a turn is. OPEN turns are driven; the others have ended. DECLINED: it was not worth its cost (see `core.probing`)."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One durable trip round the ring.

    Attributes:
        step: The step that it is in or waits in.
        wake_at: Event time before which nobody needs to look at it (None = now).
        owner: The process that holds the lease.
        lease_until: Wall time until which the lease holds.
        token: Grows with every take-over; a write with an old token is refused.
        outcome: How it ended, in one sentence.
    """

    id: str
    loop: str
    number: int
    state: TurnState
    signal: Signal
    code: str
    created_at: datetime
    step: str = ""
    wake_at: datetime | None = None
    owner: str = ""
    lease_until: datetime | None = None
    token: int = 0
    ended_at: datetime | None = None
    outcome: str = ""


class StepState(StrEnum):
    """Where a step is."""

    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One journalled step: at least once, idempotent, its result kept as JSON."""

    turn: str
    name: str
    seq: int
    attempt: int
    state: StepState
    started_at: datetime
    ended_at: datetime | None = None
    seconds: float = 0.0
    result: str = ""
    error: str = ""
    note: str = ""


class RolloutPhase(StrEnum):
    """Where a rollout is."""

    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReading:
    """One guard's sequential test at one look.

    Attributes:
        difference: Challenger − champion, signed so that positive is worse for the challenger;
            its interval is an always-valid confidence sequence, so looking often costs nothing.
        p_value: Always-valid p-value of "no harm".
        verdict: "harm", "no-harm" (non-inferior by the margin), "undecided" or "not-enough-data".
        note: What a person should know besides.
    """

    guard: str
    difference: Estimate
    margin: float
    p_value: float
    verdict: str
    champion_n: int
    challenger_n: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How a challenger is brought in: the ladder, where on it we are and what the guards saw.

    Attributes:
        steps: Percent of traffic per step: of a canary all steps to come too, of a bandit all shares so far.
        step: Index into `steps`; -1 in the shadow, which comes before them.
        looks: Guard readings of the latest look.
        touched: Requests that the challenger was asked to answer for a user.
        failed: Those in which the challenger failed and the champion answered.
        timeout_ms: The challenger has this long per request.
        kind: "canary", "ab", "bandit", "shadow", "bluegreen" or "interleave".
        better: Of a bandit: the chance that the challenger is better, at the latest look.
        sure_since: Of a bandit: pairs at which that chance became as good as certain; 0 while it is not.
        asks: Of a shadow: it is over, and a person decides.
    """

    id: str
    loop: str
    turn: str
    champion: int
    challenger: int
    steps: tuple[float, ...]
    phase: RolloutPhase
    step: int = 0
    share: float = 0.0
    started_at: datetime
    step_started_at: datetime
    ended_at: datetime | None = None
    looks: tuple[GuardReading, ...] = ()
    touched: int = 0
    failed: int = 0
    reason: str = ""
    timeout_ms: float = 250.0
    kind: str = "canary"
    better: float | None = None
    sure_since: int = 0
    asks: bool = False

    @property
    def place(self) -> str:
        """Where it is, as a person would say it.

        >>> from datetime import datetime
        >>> at = datetime(2026, 1, 1)
        >>> told = {"id": "r", "loop": "l", "turn": "t", "champion": 1, "challenger": 2, "started_at": at, "step_started_at": at}
        >>> Rollout(**told, steps=(10.0, 100.0), phase=RolloutPhase.CANARY, step=0, share=0.1).place
        'canary, step 1 of 2'
        """
        if self.phase is not RolloutPhase.CANARY:
            return str(self.phase)
        if self.kind == "canary":
            return f"canary, step {self.step + 1} of {len(self.steps)}"
        if self.kind == "bluegreen":
            return f"blue/green, all traffic; v{self.champion} stays ready"
        if self.kind == "interleave":
            return "interleaved, both draft each ranking"
        return f"{'A/B' if self.kind == 'ab' else self.kind}, {self.share:.0%} of traffic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the ledger: what happened, why, and what it was made from.

    Attributes:
        kind: Dotted noun and verb: "turn.started", "gate.failed", "alias.moved", …
        subject: The thing it happened to ("late-arrival", "late-arrival@3", "incident_…").
        reasons: Sentences a person can read.
        because: Ids of the events that led to this one: the why chain.
        numbers: The numbers it saw.
        made_from: Digests of what it was made from.
        at: Event time.
        recorded_at: Wall time.
    """

    id: str
    loop: str
    kind: str
    subject: str
    by: str
    at: datetime
    recorded_at: datetime
    reasons: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    made_from: tuple[str, ...] = ()
    turn: str = ""
