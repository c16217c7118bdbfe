"""Where other systems are told of runs and of what they read and wrote."""

from __future__ import annotations

from typing import Protocol

from noria.core.notices import Told


class LineageSink(Protocol):
    """Takes OpenLineage events, one by one. Never raises and returns within its own time-out; one caller at a time.

    An event that is sent twice is told twice: receivers go by its run, and take it once.
    """

    def send(self, event: bytes) -> Told:
        """Send one event as JSON; `Told.again` says whether trying again may help."""
        ...
