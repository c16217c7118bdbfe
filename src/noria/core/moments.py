"""Durations as people write them ("90d", "3h") and moments as milliseconds since 1970, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def duration(text: str | timedelta) -> timedelta:
    """Read a duration such as `"90d"`, `"1d12h"` or `"250ms"`.

    Raises:
        ValueError: if the text is not one or more number-unit pairs (ms, s, m, h, d, w).

    >>> duration("1d12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(text, timedelta):
        return text
    parts = _PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write for example '30s', '3h', '90d' or '1d12h'")
    return timedelta(seconds=sum(float(n) * _UNITS[u] for n, u in parts))


def spoken(span: timedelta) -> str:
    """Write a duration the way `duration` reads it, largest two units.

    >>> spoken(timedelta(days=1, hours=12, seconds=5))
    '1d12h'
    """
    left = span.total_seconds()
    if left < 1:
        return f"{round(left * 1000)}ms"
    said = []
    for unit in ("d", "h", "m", "s"):
        n, left = divmod(left, _UNITS[unit])
        if n:
            said.append(f"{int(n)}{unit}")
    return "".join(said[:2])


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware (or naive = UTC) datetime."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def aware(moment: datetime | None) -> datetime | None:
    """A moment without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
