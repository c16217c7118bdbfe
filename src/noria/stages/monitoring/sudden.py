"""Sees a sudden change of errors, latencies or answers within rows: what is usual is learnt first, then a streaming detector runs.

Every stream is made into values that a detector can take. A failed request, or one slower than
usual ones ever are, is a 1, else a 0; an answer is how many deviations it lies from the usual mean.
What days differ by among themselves is tolerated, or every noon would be a change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import ceil, log, sqrt

import numpy as np
from numpy.typing import NDArray

from noria.core.streaming import AdwinState, CusumState, EwmaState, PageHinkleyState, StreamState, Usual
from noria.stages.monitoring.operations import GRACE_MS, SLOWER
from noria.stages.monitoring.streaming import adwin, cusum, ewma, page_hinkley
from noria.stages.monitoring.usual import share_interval

STREAMS = ("errors", "latency", "predictions")
"""What may be looked at."""

DETECTORS = ("cusum", "ewma", "page-hinkley", "adwin")
"""What may look."""

FEWEST_ROWS, FEWEST_BLOCKS = 1_000, 12
"""Rows, and chunks of time, that what is usual is learnt from at least."""

WORSE = 0.01
"""By how much a share of failed or slow requests must rise, at least, to be looked for; else it is that it trebles."""

SLACK = 0.25
"""Shift, in deviations of one value, that is tolerated beyond what chunks differ by."""

CHUNKS_APART = 3.0
"""How many deviations of the chunks' own means are tolerated: a whole chunk of rows is off by as much at once."""

BLOCK = 25
"""Values that the moving average takes together: single 0/1 values are too far from normal for its limits."""

_SAMPLE = 2_000
_SLOWEST = 0.95
_CUT = 4.0

Array = NDArray[np.float64]


def learn(usual: Usual, values: Array) -> Usual:
    """Take a chunk's values into what is usual (errors as 0/1, latencies in ms, answers as they are).

    Means and squares are merged (Chan et al. 1979), so chunks may come one by one, over days.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return usual
    rows, mean = usual.rows + len(values), float(values.mean())
    apart = mean - usual.mean
    return replace(
        usual,
        rows=rows,
        mean=usual.mean + apart * len(values) / rows,
        spread=usual.spread + float(np.square(values - mean).sum()) + apart * apart * usual.rows * len(values) / rows,
        blocks=usual.blocks + 1,
        block_total=usual.block_total + mean,
        block_squares=usual.block_squares + mean * mean,
        sample=(*usual.sample, *values[:: max(1, ceil(len(values) / (_SAMPLE // 20)))].tolist())[-_SAMPLE:],
    )


def begun(state: StreamState, *, detector: str, rows_between_alarms: float) -> StreamState:
    """Freeze what is usual and start the detector.

    Args:
        rows_between_alarms: Rows in which one false alarm is accepted.
    """
    usual, rows = state.usual, max(rows_between_alarms, 100.0)
    if state.subject == "latency":
        level = SLOWER * (GRACE_MS + float(np.quantile(usual.sample, _SLOWEST))) - GRACE_MS
        usual = replace(usual, level=level, mean=float(np.mean(np.asarray(usual.sample) > level)), spread=0.0)
    ready = replace(state, usual=replace(usual, sample=()), ready=True)
    tolerated = slack_of(ready)
    match detector:
        case "ewma":
            return replace(ready, ewma=EwmaState(weight=0.2, width=ewma.width_for(rows / BLOCK, 0.2)))
        case "page-hinkley":
            return replace(ready, page_hinkley=PageHinkleyState(slack=tolerated, limit=cusum.limit_for(rows, SLACK)))
        case "adwin":
            return replace(ready, adwin=AdwinState(delta=min(32 / rows, 0.1)))
    if state.subject == "predictions":
        return replace(ready, cusum=CusumState(slack=tolerated, limit=cusum.limit_for(rows, SLACK)))
    return replace(ready, cusum=CusumState(slack=0.0, limit=log(rows), downward=False))


def seen(state: StreamState, values: Array) -> tuple[StreamState, int | None]:
    """Take a chunk's values into the detector; returns the place of the first alarm, None when there is none."""
    known = np.flatnonzero(np.isfinite(values))
    told = _prepared(state, values[known])
    at: int | None = None
    if state.cusum is not None:
        found, at = cusum.advance(state.cusum, told)
        state = replace(state, cusum=found)
    elif state.page_hinkley is not None:
        searching, at = page_hinkley.advance(state.page_hinkley, told)
        state = replace(state, page_hinkley=searching)
    elif state.adwin is not None:
        window, at = adwin.advance(state.adwin, told)
        state = replace(state, adwin=window)
    elif state.ewma is not None:
        blocks = told[: len(told) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1) * sqrt(BLOCK)
        # Neighbouring blocks share their chunk, and the average spans some: their variances add up in it.
        moving, place = ewma.advance(state.ewma, blocks / sqrt(1 + 3 * BLOCK * _apart(state) ** 2))
        state, at = replace(state, ewma=moving), None if place is None else min((place + 1) * BLOCK - 1, len(told) - 1)
    return state, None if at is None else int(known[at])


def rates(state: StreamState) -> tuple[float, float]:
    """The usual share of 0/1 values, as large as it may be, and the share that is feared."""
    usual = state.usual
    events = round(usual.mean * usual.rows)
    high = share_interval(events, usual.rows, 0.95)[1]
    expected = min(max(high, usual.mean + 3 * _between(state) if state.subject == "errors" else high, 1e-4), 0.9)
    return expected, min(max(3 * expected, expected + WORSE), 0.95)


def slack_of(state: StreamState) -> float:
    """The shift that is tolerated, in deviations of one value: what chunks differ by among themselves, and `SLACK` more.

    The limit is the one for `SLACK`, so that a chunk which is off by all that is tolerated still alarms as seldom as promised.
    """
    return SLACK + CHUNKS_APART * _apart(state)


def limit_of(state: StreamState, value: float) -> float:
    """The value of a chunk from which it would sooner or later be called changed, on the side of `value`."""
    if state.subject == "predictions":
        reach = slack_of(state) * _deviation(state)
        return state.usual.mean + (reach if value >= state.usual.mean else -reach)
    expected, feared = rates(state)
    yes, no = log(feared / expected), log((1 - feared) / (1 - expected))
    return no / (no - yes)


def as_values(state: StreamState, values: Array) -> Array:
    """The stream as what is usual is said of it: for latencies, whether they are slower than usual ones ever are."""
    return (values > state.usual.level).astype(np.float64) if state.subject == "latency" else values


def _prepared(state: StreamState, values: Array) -> Array:
    told = as_values(state, values)
    if state.cusum is not None and state.subject != "predictions":
        expected, feared = rates(state)
        return cusum.odds(told, usual=expected, feared=feared)
    if state.adwin is not None and state.subject != "predictions":
        return told
    deviation = _deviation(state)
    scored = np.clip((told - state.usual.mean) / deviation, -_CUT, _CUT) if deviation else np.zeros(len(told))
    return (scored + _CUT) / (2 * _CUT) if state.adwin is not None else np.asarray(scored)


def _deviation(state: StreamState) -> float:
    usual = state.usual
    if state.subject == "latency" and state.ready:
        share = max(usual.mean, 1 / max(usual.rows, 1))
        return sqrt(share * (1 - share))
    return sqrt(max(usual.spread, 0.0) / usual.rows) if usual.rows > 1 else 0.0


def _apart(state: StreamState) -> float:
    """What chunks differ by among themselves, in deviations of one value."""
    deviation = _deviation(state)
    return _between(state) / deviation if deviation else 0.0


def _between(state: StreamState) -> float:
    """What chunks' means differ by beyond chance."""
    usual = state.usual
    if usual.blocks < 2 or state.subject == "latency":
        return 0.0
    mean = usual.block_total / usual.blocks
    variance = usual.block_squares / usual.blocks - mean * mean
    chance = usual.spread / max(usual.rows, 1) / max(usual.rows / usual.blocks, 1)
    return sqrt(max(variance - chance, 0.0))


def enough_learnt(usual: Usual, began: datetime, now: datetime, *, at_least_s: float) -> bool:
    """Whether what is usual has been seen for long enough, and on rows enough."""
    return usual.rows >= FEWEST_ROWS and usual.blocks >= FEWEST_BLOCKS and (now - began).total_seconds() >= at_least_s
