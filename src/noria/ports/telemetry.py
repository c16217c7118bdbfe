"""Where other tools are told what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from noria.core.telemetry import Gauge, Span


class Telemetry(Protocol):
    """Takes spans and gauges. Never raises and returns within its own time-out; one caller at a time."""

    def spans(self, spans: Sequence[Span]) -> bool:
        """Send; returns whether they arrived. Sent again, the same spans change nothing."""
        ...

    def gauges(self, gauges: Sequence[Gauge]) -> bool:
        """Send; returns whether they arrived."""
        ...
