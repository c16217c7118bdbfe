"""Time as an argument."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells event time. Thread-safe; never goes backwards within a process."""

    def now(self) -> datetime:
        """The current moment, aware, UTC."""
        ...
