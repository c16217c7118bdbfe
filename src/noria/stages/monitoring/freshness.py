"""How old the champion's newest training row is."""

from __future__ import annotations

from datetime import datetime, timedelta

from noria.core.watching import Level, Reading

_DAY = timedelta(days=1)


def age(newest_training_row: datetime, *, loop: str, at: datetime, older_than: timedelta) -> Reading:
    """Read the age in days against the age that was allowed."""
    days, allowed = (at - newest_training_row) / _DAY, older_than / _DAY
    return Reading(
        loop=loop,
        monitor="freshness",
        subject="training data",
        time=at,
        value=days,
        threshold=allowed,
        level=Level.BREACH if days > allowed else Level.OK,
        rows=0,
        effect=days / allowed - 1 if allowed else 0.0,
        note=f"the champion's newest training row is {days:.1f} days old; {allowed:g} are allowed",
    )
