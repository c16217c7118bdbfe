"""From a measured value and its limits to a reading: the same words for every monitor of a chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from noria.core.watching import Level, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What all readings of one chunk share.

    Attributes:
        at: End of the chunk, event time.
        start: Its beginning; None = unknown, so no season is looked at.
        min_rows: With fewer rows the answer is "not enough data".
        warm_until: Chunks that end before give no verdict: a new champion warms up. None = none does.
    """

    loop: str
    at: datetime
    start: datetime | None = None
    min_rows: int = 250
    warm_until: datetime | None = None

    def reading(
        self, monitor: str, subject: str, value: float, limit: float, rows: int, *, note: str, numbers: Mapping[str, float] | None = None
    ) -> Reading:
        """Hold a value against its limit."""
        warming = self.warm_until is not None and self.at < self.warm_until
        enough = rows >= max(self.min_rows, 1) and value == value and not warming
        if not enough:
            note = (
                f"a new champion: no verdict before {self.warm_until:%-d %b %H:%M}"
                if warming
                else f"{rows:,} rows; {self.min_rows:,} are needed"
            )
        found = against(monitor, subject, value, limit, rows, loop=self.loop, at=self.at, enough=enough, note=note)
        return replace(found, numbers=numbers or {})


def against(
    monitor: str,
    subject: str,
    value: float,
    limit: float,
    rows: int,
    *,
    loop: str,
    at: datetime,
    enough: bool,
    note: str,
    least: float = 0.0,
    explained: Mapping[str, float] | None = None,
) -> Reading:
    """A reading that breaches when its value lies above the limit; a calm one says nothing.

    Args:
        enough: Whether there was enough for a verdict; `note` then says what broke, else what lacked.
        least: The value of no change at all: the effect is how far beyond the limit the value is, seen from there.
        explained: What the breach is made of, feature to share.
    """
    breach = enough and value > limit
    return Reading(
        loop=loop,
        monitor=monitor,
        subject=subject,
        time=at,
        value=value,
        threshold=limit,
        level=Level.BREACH if breach else Level.OK if enough else Level.NOT_ENOUGH,
        rows=rows,
        effect=(value - least) / (limit - least) - 1 if enough and limit > least else 0.0,
        note=note if breach or not enough else "",
        explained=dict(explained or {}) if breach else {},
    )
