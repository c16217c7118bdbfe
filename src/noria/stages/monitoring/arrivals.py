"""How the rows of a dataset come in: how long after they happened, and how old the newest is. Held against how they used to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.moments import from_ms, spoken, to_ms
from noria.core.watching import Level, Reading

LATE, STALE = "late", "stale"

USUAL_CHUNKS = 60
"""Chunks before the champion's time that say what is usual, at most."""
FEWEST_CHUNKS = 5
"""With fewer in which rows came there is no saying what is usual: a dataset that hardly changes is never stale."""
MOST_CHUNKS = 400

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One measure of a dataset, chunk by chunk, newest last, in seconds; NaN where nothing was to be measured.

    Attributes:
        usual: Its median over the chunks that say what is usual; NaN when they are too few.
        limit: The longest that is still usual.
        since: When the present stretch beyond the limit began; None while there is none.
    """

    values: tuple[float, ...]
    usual: float
    limit: float
    since: datetime | None

    @property
    def value(self) -> float:
        """The newest chunk's."""
        return self.values[-1]

    @property
    def beyond(self) -> bool:
        """Whether the newest chunk is beyond what is usual."""
        return self.value > self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How a dataset has been coming in up to a moment.

    Attributes:
        delay: Median time from happening to being known, of the rows that became known in each chunk.
        age: Age of the newest row that was known at the end of each chunk.
        newest: When that row happened; None when there is none.
    """

    dataset: str
    at: datetime
    rows: int
    newest: datetime | None
    delay: Course
    age: Course


def look(rows: pl.DataFrame, *, dataset: str, at: datetime, every: timedelta, usual_until: datetime, floor: timedelta) -> Arrivals:
    """Look at how rows came in, chunk by chunk.

    A limit is the largest of `floor`, mean + 3 standard deviations over the chunks that ended by
    `usual_until`, and twice the median (of a delay) or one and a half times the largest (of an age).

    Args:
        rows: `time` and `seen` (when it could be known), both moments.
        every: Length of a chunk; they end at `at`, `at` − every, …
    """
    ends = at_ends(at, every, usual_until)
    times, seen = (rows[name].dt.timestamp("ms").to_numpy() for name in ("time", "seen"))
    there = seen <= ends[-1]
    times, seen = times[there], seen[there]
    delays, ages = _delays(times, seen, ends, every), _ages(times, seen, ends)
    came = (ends <= to_ms(usual_until)) & np.isfinite(delays) & np.isfinite(ages)
    floor_s = floor.total_seconds()
    newest = from_ms(int(times.max())) if len(times) else None
    return Arrivals(
        dataset=dataset,
        at=at,
        rows=int(np.count_nonzero(seen > ends[-2])) if len(ends) > 1 else len(seen),
        newest=newest,
        delay=_course(delays, ends, every, usual=delays[came], least=lambda usual: max(floor_s, 2 * float(np.median(usual)))),
        age=_course(ages, ends, every, usual=ages[came], least=lambda usual: max(floor_s, 1.5 * float(usual.max()))),
    )


def readings(arrivals: Arrivals, *, loop: str, delayed: bool) -> list[Reading]:
    """The two readings of one chunk: `late` (where the dataset says when its rows became known) and `stale`.

    A dataset that comes late looks older by as much; that alone does not make it stale.
    """
    delay, age = arrivals.delay, arrivals.age
    if delayed and delay.beyond:
        age = replace(age, limit=age.limit + delay.value - delay.usual)
    found = [_reading(STALE, arrivals, age, loop, f"its newest row is {spoken_s(age.value)} old")]
    if delayed:
        found.insert(0, _reading(LATE, arrivals, delay, loop, f"its rows arrive {spoken_s(delay.value)} after they happened"))
    return found


def spoken_s(seconds: float) -> str:
    """Seconds as a person says them: quarters of an hour from two hours on, whole minutes from two minutes on.

    >>> spoken_s(6 * 3600 - 70), spoken_s(302)
    ('6h', '5m')
    """
    if not np.isfinite(seconds):
        return "unknown"
    step = next((step for least, step in ((7_200, 900), (120, 60)) if seconds >= least), 1)
    return spoken(timedelta(seconds=round(seconds / step) * step))


def at_ends(at: datetime, every: timedelta, usual_until: datetime) -> NDArray[np.int64]:
    """Ends of the chunks that are looked at, in ms, oldest first."""
    chunks = min(max((at - usual_until) // every, 0) + USUAL_CHUNKS, MOST_CHUNKS)
    return to_ms(at) - np.arange(chunks, -1, -1, dtype=np.int64) * round(every.total_seconds() * 1000)


def _delays(times: NDArray[np.int64], seen: NDArray[np.int64], ends: NDArray[np.int64], every: timedelta) -> Array:
    """Median delay of the rows that became known in each chunk, seconds."""
    place = np.searchsorted(ends, seen, side="left")
    inside = seen > ends[0] - round(every.total_seconds() * 1000)
    found = np.full(len(ends), np.nan)
    told = pl.DataFrame({"place": place[inside], "delay": (seen - times)[inside] / 1000}).group_by("place").agg(pl.col("delay").median())
    found[told["place"].to_numpy()] = told["delay"].to_numpy()
    return found


def _ages(times: NDArray[np.int64], seen: NDArray[np.int64], ends: NDArray[np.int64]) -> Array:
    """Age of the newest row known at the end of each chunk, seconds."""
    order = np.argsort(seen, kind="stable")
    newest = np.maximum.accumulate(times[order]) if len(order) else np.empty(0, dtype=np.int64)
    place = np.searchsorted(seen[order], ends, side="right") - 1
    found = np.full(len(ends), np.nan)
    known = place >= 0
    found[known] = (ends[known] - newest[place[known]]) / 1000
    return found


def _course(values: Array, ends: NDArray[np.int64], every: timedelta, *, usual: Array, least: Callable[[Array], float]) -> Course:
    if len(usual) < FEWEST_CHUNKS:
        return Course(values=tuple(map(float, values)), usual=float("nan"), limit=float("inf"), since=None)
    limit = max(least(usual), float(usual.mean() + 3 * usual.std(ddof=1)))
    calm = np.flatnonzero(~(values > limit))
    began = int(calm[-1]) + 1 if len(calm) else 0
    since = from_ms(int(ends[began])) - every if began < len(values) else None
    return Course(values=tuple(map(float, values)), usual=float(np.median(usual)), limit=limit, since=since)


def _reading(monitor: str, arrivals: Arrivals, course: Course, loop: str, said: str) -> Reading:
    known = bool(np.isfinite(course.value) and np.isfinite(course.limit))
    level = Level.NOT_ENOUGH if not known else Level.BREACH if course.beyond else Level.OK
    since = f", since {course.since:%-d %B}" if course.since else ""
    return Reading(
        loop=loop,
        monitor=monitor,
        subject=arrivals.dataset,
        time=arrivals.at,
        value=course.value / 3600,
        threshold=course.limit / 3600 if known else float("nan"),
        level=level,
        rows=arrivals.rows,
        effect=course.value / course.limit - 1 if known else 0.0,
        note=f"{said}{since}; usually {spoken_s(course.usual)}" if known else "too little is known of how it usually arrives",
    )
