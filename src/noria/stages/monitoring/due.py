"""Which chunks of time have closed and were not looked at yet."""

from __future__ import annotations

from datetime import datetime, timedelta


def due_chunks(since: datetime | None, now: datetime, every: timedelta, start: datetime) -> list[tuple[datetime, datetime]]:
    """List the closed chunks [from, until) after `since`, oldest first.

    Args:
        since: Up to where was looked before; None = never, so from `start`.
        every: Length of a chunk. Chunks follow each other from `start` without gaps.

    Raises:
        ValueError: if `every` is not positive.
    """
    if every <= timedelta(0):
        raise ValueError(f"chunks of {every} never end")
    begin = start if since is None else since
    return [(begin + n * every, begin + (n + 1) * every) for n in range(max(0, (now - begin) // every))]
