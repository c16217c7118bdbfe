"""How many workers a data plane wants: more while those at work are busy, fewer when they have long had little to do."""

from __future__ import annotations

from dataclasses import dataclass

QUEUE = 64
"""Requests under way for each worker, from which on one more is wanted: its models answer elsewhere, or the machine is short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between how many workers there are, and what makes their number change.

    Attributes:
        busy: Share of a core that each worker uses, from which on one more is wanted: a worker answers from one thread.
        quiet: Share of a core that each of the others would use, up to which one worker is too many: well below
            `busy`, so that none comes back at once.
        grow_after_s, shrink_after_s: Busy or quiet without a break for this long.
    """

    low: int
    high: int
    busy: float = 0.8
    quiet: float = 0.5
    grow_after_s: float = 2.0
    shrink_after_s: float = 60.0

    @property
    def elastic(self) -> bool:
        """Whether there is anything to decide."""
        return self.low < self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How busy the workers are, all together.

    Attributes:
        cores: CPU seconds that they used for each second since the pulse before.
        in_flight: Requests under way.
    """

    cores: float
    in_flight: int


class Sizing:
    """Decides from one pulse to the next; it keeps no time of its own."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._busy_since_s: float | None = None
        self._quiet_since_s: float | None = None

    def wanted(self, at_work: int, pulse: Pulse, now_s: float) -> int:
        """How many workers there should be: as many as there are, one more or one fewer."""
        busy = pulse.cores >= self._bounds.busy * at_work or pulse.in_flight >= QUEUE * at_work
        quiet = at_work > 1 and pulse.cores <= self._bounds.quiet * (at_work - 1) and pulse.in_flight < QUEUE * (at_work - 1) / 2
        self._busy_since_s = (self._busy_since_s if self._busy_since_s is not None else now_s) if busy else None
        self._quiet_since_s = (self._quiet_since_s if self._quiet_since_s is not None else now_s) if quiet else None
        step = 0
        if self._busy_since_s is not None and now_s - self._busy_since_s >= self._bounds.grow_after_s:
            step = 1
        elif self._quiet_since_s is not None and now_s - self._quiet_since_s >= self._bounds.shrink_after_s:
            step = -1
        if step:
            self._busy_since_s = self._quiet_since_s = None
        return min(max(at_work + step, self._bounds.low), self._bounds.high)
