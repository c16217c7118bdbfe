"""Which monitors are to be quiet about a chunk of time: by a person's silence, or because trouble was expected."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from noria.core.alerting import Silence
from noria.core.declaration.alerts import Quiet


def silenced(silences: Iterable[Silence | Quiet], monitor: str, subject: str, start: datetime, end: datetime) -> Silence | Quiet | None:
    """The silence that covers the monitor in some moment of the chunk [start, end], or None.

    One moment is enough: what went wrong in an hour of maintenance moves the day that it lies in.
    """
    return next((one for one in silences if one.covers(monitor, subject) and one.meets(start, end)), None)
