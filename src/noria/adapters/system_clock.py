"""The wall clock as a `Clock`."""

from __future__ import annotations

import threading
from datetime import UTC, datetime


class SystemClock:
    """Tells wall time; when the machine's clock is set back it stands still until time has caught up."""

    def __init__(self) -> None:
        self._latest = datetime.now(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The current moment, aware, UTC."""
        with self._lock:
            self._latest = max(self._latest, datetime.now(UTC))
            return self._latest
