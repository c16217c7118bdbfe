"""How much a loop may tell, and when it is expected to be out of sorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from noria.core.moments import duration

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, init=False)
class Quiet:
    """A time in which trouble is expected: monitors read and are recorded, but open and page nothing.

    Args:
        at: When it begins: "02:00" (every day), "sat 22:00" (every week), or "2026-12-24 18:00" (once).
        length: How long it lasts.
        monitor, subject: Which monitors; all when left out.
        zone: Time zone of `at`, such as "Europe/Berlin".
        because: Why, for the record.

    Raises:
        ValueError: `at` is none of the three, or the zone is unknown.

    >>> Quiet("sat 22:00", "8h").meets(datetime(2024, 1, 7, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
    True
    """

    at: str
    length: timedelta
    monitor: str
    subject: str
    zone: str
    because: str

    def __init__(
        self, at: str, length: str | timedelta, *, monitor: str = "", subject: str = "", zone: str = "UTC", because: str = ""
    ) -> None:
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "length", duration(length))
        object.__setattr__(self, "monitor", monitor)
        object.__setattr__(self, "subject", subject)
        object.__setattr__(self, "zone", zone)
        object.__setattr__(self, "because", because)
        self._begun_by(datetime(2024, 1, 1, tzinfo=UTC))

    def covers(self, monitor: str, subject: str) -> bool:
        """Whether it is about this monitor of this subject."""
        return self.monitor in ("", monitor) and self.subject in ("", subject)

    def meets(self, start: datetime, end: datetime) -> bool:
        """Whether it has a moment in common with the chunk [start, end]."""
        begun = self._begun_by(end)
        return begun is not None and begun + self.length > start

    def _begun_by(self, moment: datetime) -> datetime | None:
        """When it last began, at or before the moment; None if it has not yet."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone)
        day, _, clock = self.at.strip().lower().rpartition(" ")
        if "-" in self.at:
            once = datetime.fromisoformat(self.at).replace(tzinfo=zone)
            return once if once <= moment else None
        if day not in ("", *_DAYS):
            raise ValueError(f"{self.at!r} is no beginning; write '02:00', 'sat 22:00' or '2026-12-24 18:00'")
        daily = datetime.combine(local.date(), time.fromisoformat(clock), tzinfo=zone)
        back = 0 if not day else (local.weekday() - _DAYS.index(day)) % 7
        begun = daily - timedelta(days=back)
        return begun if begun <= moment else begun - (_WEEK if day else timedelta(days=1))


@dataclass(frozen=True, slots=True, init=False)
class Alerts:
    """How much the loop may tell people.

    What a monitor finds is always recorded, opens incidents and gives signals. This is about people:
    a page beyond the budget is told in the digest, first of all, and is never dropped.

    Args:
        pages_per_week: At most so many pages within any seven days.
        digest: Notices, and pages beyond the budget, are gathered for this long and told at once.
        quiet: Times in which trouble is expected.
    """

    pages_per_week: int
    digest: timedelta
    quiet: tuple[Quiet, ...]

    def __init__(self, *, pages_per_week: int = 3, digest: str | timedelta = "1d", quiet: Sequence[Quiet] = ()) -> None:
        object.__setattr__(self, "pages_per_week", pages_per_week)
        object.__setattr__(self, "digest", duration(digest))
        object.__setattr__(self, "quiet", tuple(quiet))
