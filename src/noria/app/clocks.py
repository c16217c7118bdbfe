"""Which clock a home goes by; apart from the wiring, so that a data plane that asks for it stays light."""

from __future__ import annotations

from noria.adapters.system_clock import SystemClock
from noria.adapters.turned_clock import TurnedClock
from noria.app.settings import Settings
from noria.ports.clock import Clock


def open_clock(settings: Settings) -> Clock:
    """Event time: the system's, or the one that a replay turns."""
    return TurnedClock(settings.folder / "clock") if settings.clock == "turned" else SystemClock()
