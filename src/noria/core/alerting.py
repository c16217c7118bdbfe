"""Values of alerting: who is silent, what has been told, what people thought of it, and the limits they tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Monitors of a loop that open and page nothing for a while; they still read, and are recorded.

    Attributes:
        monitor, subject: Which ones; "" = all.
        since, until: Event time.
        ended_at: When a person ended it early.
    """

    id: str
    loop: str
    since: datetime
    until: datetime
    by: str
    because: str
    monitor: str = ""
    subject: str = ""
    ended_at: datetime | None = None

    def covers(self, monitor: str, subject: str) -> bool:
        """Whether it is about this monitor of this subject."""
        return self.monitor in ("", monitor) and self.subject in ("", subject)

    def meets(self, start: datetime, end: datetime) -> bool:
        """Whether it has a moment in common with the chunk [start, end]."""
        over = self.until if self.ended_at is None else min(self.until, self.ended_at)
        return self.since <= end and start < over


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBook:
    """What one loop has told, and what waits for its digest. All times are event time.

    Attributes:
        paged: When it paged, within the last week.
        waiting: Incidents that the next digest tells of, in the order in which they came.
        held: Those of them that are pages which the budget held back.
        digest_at: When the next digest is due; None while nothing waits.
        told_until: When the last digest was told.
        pages_per_week: The budget, when something was last told.
    """

    loop: str
    paged: tuple[datetime, ...] = ()
    waiting: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    digest_at: datetime | None = None
    told_until: datetime | None = None
    pages_per_week: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one person thought of an incident; the last one that they gave counts."""

    incident: str
    loop: str
    useful: bool
    by: str
    because: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A limit that a person moved: this monitor's limit lies `factor` times as far away as it was calibrated.

    Attributes:
        state: "proposed", "applied", "dismissed" or "ended".
        reason: Why it was proposed, with its numbers.
        numbers: What it would have done to the incidents that people judged.
    """

    id: str
    loop: str
    monitor: str
    subject: str
    factor: float
    state: str
    reason: str
    at: datetime
    by: str = "noria"
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a monitor has done, as people judged its incidents; `precision` is the share that was useful."""

    monitor: str
    useful: int
    noise: int
    precision: Estimate
