"""Stops asking a challenger that keeps timing out, and finds out when it has recovered."""

from __future__ import annotations

from enum import StrEnum


class Gate(StrEnum):
    """What to do with the next rows: send them, send them only to see whether it answers, or spare it."""

    SEND = "send"
    PROBE = "probe"
    REST = "rest"


class Breaker:
    """Opens after `trip_after` timeouts in a row; after `rest_s` lets one probe pass, whose success closes it."""

    __slots__ = ("_probing", "_rest_s", "_rests_until_s", "_timeouts", "_trip_after")

    def __init__(self, *, trip_after: int = 5, rest_s: float = 2.0) -> None:
        self._trip_after = trip_after
        self._rest_s = rest_s
        self._timeouts = 0
        self._rests_until_s = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether it spares the challenger now."""
        return self._timeouts >= self._trip_after

    def gate(self, now_s: float) -> Gate:
        """What to do now; PROBE is said once, until its end is told."""
        if not self.open:
            return Gate.SEND
        if self._probing or now_s < self._rests_until_s:
            return Gate.REST
        self._probing = True
        return Gate.PROBE

    def answered(self) -> None:
        """It answered in time."""
        self._timeouts = 0
        self._probing = False

    def failed(self, now_s: float, *, timed_out: bool) -> None:
        """It did not answer. Only timeouts open the breaker: they are what costs a user time."""
        self._timeouts += timed_out
        self._probing = False
        if self.open:
            self._rests_until_s = now_s + self._rest_s
