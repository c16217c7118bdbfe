"""What streaming detectors remember between two passes: small frozen states, stored so that a kill loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdwinState:
    """An adaptive window (Bifet & Gavaldà 2007) as an exponential histogram: some hundred numbers, however long the window.

    Attributes:
        delta: Chance of a false cut that each look may take.
        block: Values that make one smallest bucket; it is looked after each of them.
        waiting: Values that do not fill a block yet, at most block − 1.
        levels: Per level i its buckets, oldest first, of block · 2^i values each: (sum, sum of squared deviations).
        cuts: How often the window was cut since the start.
    """

    delta: float = 0.002
    block: int = 32
    waiting: tuple[float, ...] = ()
    levels: tuple[tuple[tuple[float, float], ...], ...] = ()
    cuts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageHinkleyState:
    """A Page–Hinkley test: how far the sum of deviations from the running mean has come from its extremes.

    Attributes:
        slack: Deviation per value that is tolerated, in units of the values.
        limit: Distance that is an alarm.
        rows, total: Of the values since the last alarm; total / rows is the running mean.
        above, below: Distance of the upward and the downward sum from its extreme, ≥ 0.
    """

    slack: float
    limit: float
    rows: int = 0
    total: float = 0.0
    above: float = 0.0
    below: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CusumState:
    """A two-sided cumulative sum chart (Page 1954) of values with mean 0 and deviation 1 when all is well.

    Attributes:
        slack: What is taken off each value before it is summed.
        limit: Sum that is an alarm.
        above, below: The sums, ≥ 0.
        downward: Whether falls are looked for too.
    """

    slack: float
    limit: float
    above: float = 0.0
    below: float = 0.0
    downward: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaState:
    """An exponentially weighted moving average chart (Roberts 1959) of values with mean 0 and deviation 1 when all is well.

    Attributes:
        weight: Of the newest value, above 0 and at most 1.
        width: Limits lie at so many deviations of the average.
        average: The moving average.
        rows: Values so far; the limits are narrower at the start, when the average has hardly moved.
    """

    weight: float
    width: float
    average: float = 0.0
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a stream looks like when all is well, learnt on its first rows and then left alone.

    Attributes:
        rows, mean, spread: Of the values; `spread` is the sum of squared deviations from the mean.
        blocks: Chunks of time behind them.
        block_total, block_squares: Sum and sum of squares of those chunks' means, for how much chunks differ.
        level: For latencies: the limit in microseconds that the usual slowest share lies above.
        sample: For latencies, while it learns: some of the values.
    """

    rows: int = 0
    mean: float = 0.0
    spread: float = 0.0
    blocks: int = 0
    block_total: float = 0.0
    block_squares: float = 0.0
    level: float = 0.0
    sample: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """Where the streaming detector of one subject stands.

    Attributes:
        subject: "errors", "latency" or "predictions".
        version: The champion that it was learnt on; another one begins anew.
        until: Event time up to which rows were taken in.
        usual: Learnt on the first rows; `ready` once it is frozen.
        adwin, page_hinkley, cusum, ewma: The one detector that is in use.
        alarms: Moments of the newest alarms.
        numbers: What the newest alarm saw.
    """

    loop: str
    subject: str
    version: int
    until: datetime
    usual: Usual = field(default_factory=Usual)
    ready: bool = False
    adwin: AdwinState | None = None
    page_hinkley: PageHinkleyState | None = None
    cusum: CusumState | None = None
    ewma: EwmaState | None = None
    alarms: tuple[datetime, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
