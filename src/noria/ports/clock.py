"""Time as an argument."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells event time. Thread-safe; never goes backwards within a process."""

    def now(self) -> datetime:
        """The current moment, aware, UTC."""
        ...


class TurnableClock(Clock, Protocol):
    """A clock that moves only when it is told to, for every process that shares it."""

    def turn(self, to: datetime) -> None:
        """Move to `to`.

        Raises:
            ValueError: it lies before the current moment.
        """
        ...
