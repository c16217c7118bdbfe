"""What the live view shows: plain values, filled from the records by whoever owns the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

STATIONS = ("data", "features", "tuning", "training", "evaluation", "governance", "registry", "serving", "monitoring")
"""The ring, in the order in which it turns."""

TONES = ("plain", "good", "warn", "bad", "quiet")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPoint:
    """Realised quality of one day with its interval; `version` gave the answers."""

    value: float
    low: float
    high: float
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftBar:
    """How far one feature is from home.

    Attributes:
        value: The statistic now; it breaches at `threshold`.
        firing: Whether its monitor fires (breaches that persist).
    """

    name: str
    value: float
    threshold: float
    firing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of the ledger as a person reads it.

    Attributes:
        id: The event's id; a line is printed once per id where there is no terminal.
        tone: One of `TONES`.
        important: Whether it is worth a line where there is no terminal.
    """

    id: str
    at: datetime
    kind: str
    text: str
    tone: str = "plain"
    important: bool = True


@dataclass(slots=True, kw_only=True)
class LiveState:
    """One moment of a loop, as the view draws it; every field may be left at its default.

    Attributes:
        now, start, end: Event time, and the year that the progress bar spans.
        speed: Event seconds per wall second.
        elapsed_s: Wall seconds since the replay began.
        station: The lit station of the ring (one of `STATIONS`), or "" when only serving and monitoring run.
        station_note: What it is doing, in a few words ("trial 4 of 6, best 0.748").
        turn: The open turn in a few words ("turn 3, because of drift"), or "".
        champion, challenger: Version numbers.
        share: Share of requests that the challenger answers, 0 to 1.
        rollout: Where the rollout is ("shadow", "canary, step 2 of 4, 1,204 rows"), or "".
        quality: One point per day, oldest first.
        reference, limit: What quality was when the champion was made, and where a fall counts as harm.
        drift: Features, the worst first.
        incidents: Titles of open incidents.
        happenings: Newest lines of the ledger, oldest first.
        requests, failed, fallbacks, outcomes: Counted since the replay began, else over the newest buckets of the log.
        latency_p50_ms, latency_p99_ms: Of the newest bucket of the log, as the data plane measured it.
        rate: Requests per wall second.
        decision: The retrain policy's newest decision, in words.
        next_action: What happens next and when, in words.
        page: Where the web page is.
    """

    loop: str = ""
    now: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    speed: float = 0.0
    elapsed_s: float = 0.0
    station: str = ""
    station_note: str = ""
    turn: str = ""
    champion: int | None = None
    challenger: int | None = None
    share: float = 0.0
    rollout: str = ""
    quality_metric: str = ""
    quality: Sequence[QualityPoint] = ()
    reference: float = float("nan")
    limit: float = float("nan")
    drift: Sequence[DriftBar] = ()
    incidents: Sequence[str] = ()
    happenings: Sequence[Happening] = field(default=())
    requests: int = 0
    failed: int = 0
    fallbacks: int = 0
    outcomes: int = 0
    rate: float = 0.0
    latency_p50_ms: float = float("nan")
    latency_p99_ms: float = float("nan")
    decision: str = ""
    next_action: str = ""
    page: str = ""

    @property
    def progress(self) -> float:
        """How much of the span from `start` to `end` has gone by, 0 to 1."""
        if self.now is None or self.start is None or self.end is None or self.end <= self.start:
            return 0.0
        return min(1.0, max(0.0, (self.now - self.start) / (self.end - self.start)))
