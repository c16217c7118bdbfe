"""A clock that a test turns by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class HandClock:
    """`noria.ports.clock.Clock` that stands still until it is turned.

    >>> clock = HandClock()
    >>> clock.turn(timedelta(hours=6))
    >>> clock.now().isoformat()
    '2013-01-01T06:00:00+00:00'
    """

    def __init__(self, start: datetime = datetime(2013, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """The moment that the clock was last turned to."""
        return self._now

    def turn(self, span: timedelta) -> None:
        """Turn the clock on by a span.

        Raises:
            ValueError: the span is negative; a clock never goes backwards.
        """
        if span < timedelta():
            raise ValueError(f"a clock cannot be turned back by {-span}")
        self._now += span
