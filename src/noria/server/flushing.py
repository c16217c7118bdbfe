"""Lets what was logged survive a power cut too, a second after it was."""

from __future__ import annotations

import logging
import threading

from noria.core.errors import Unavailable
from noria.ports.sql import Sql

log = logging.getLogger(__name__)

EVERY_S = 1.0


class Flusher:
    """Flushes a database every second, from a thread of its own, so that nobody who logs a point waits for the disk."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._stopped = threading.Event()

    def run(self) -> None:
        """Flush until `stop`, and once more then."""
        while not self._stopped.wait(EVERY_S):
            self._flush()
        self._flush()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopped.set()

    def _flush(self) -> None:
        try:
            self._sql.flush()
        except Unavailable:
            log.warning("what was logged could not be flushed", exc_info=True)
