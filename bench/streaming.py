"""False alarms and delays of the streaming detectors, beside river's where it is installed: python bench/streaming.py [RUNS]

Quiet streams of 20,000 values count false alarms; streams that change at value 2,000 tell the delay.
Rates are 0/1 values whose share rises from 20 to 40 %, means are normal values that rise by one deviation.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from noria.core.streaming import AdwinState, CusumState, EwmaState, PageHinkleyState
from noria.stages.monitoring.streaming import adwin, cusum, ewma, page_hinkley

try:
    from river import drift
except ImportError:
    drift = None

QUIET, CHANGE, AFTER = 20_000, 2_000, 3_000
ROWS = 20_000.0


def rate(random, rows, change):
    return (random.random(rows) < np.where(np.arange(rows) < change, 0.2, 0.4)).astype(float)


def mean(random, rows, change):
    return random.normal(size=rows) + (np.arange(rows) >= change)


def ours(advance, state):
    return lambda values: [] if (found := advance(state, values)[1]) is None else [found]


def rivers(make):
    def find(values):
        detector, found = make(), []
        for place, value in enumerate(values.tolist()):
            detector.update(value)
            if detector.drift_detected:
                found.append(place)
                break
        return found

    return find


def looked(find, draw, runs, start=0):
    """Share of quiet runs with an alarm, share of alarms before the change, median delay after it, microseconds per value."""
    began = time.perf_counter()
    quiet = [bool(find(draw(np.random.default_rng(seed), QUIET, QUIET))) for seed in range(runs)]
    took = (time.perf_counter() - began) / (runs * QUIET) * 1e6
    first = [(find(draw(np.random.default_rng(10_000 + seed), CHANGE + AFTER, CHANGE)) or [CHANGE + AFTER])[0] for seed in range(runs)]
    late = [place - CHANGE for place in first if place >= CHANGE]
    return np.mean(quiet), np.mean([place < CHANGE for place in first]), np.median(late) if late else np.nan, took


def main(runs: int) -> None:
    slack = 0.25
    detectors = {
        "ADWIN, rate": (rate, ours(adwin.advance, AdwinState())),
        "CUSUM of the odds, rate": (
            rate,
            ours(
                lambda s, v: cusum.advance(s, cusum.odds(v, usual=0.2, feared=0.4)),
                CusumState(slack=0.0, limit=np.log(ROWS), downward=False),
            ),
        ),
        "CUSUM, mean": (mean, ours(cusum.advance, CusumState(slack=slack, limit=cusum.limit_for(ROWS, slack)))),
        "EWMA 0.1, mean": (mean, ours(ewma.advance, EwmaState(weight=0.1, width=ewma.width_for(ROWS, 0.1)))),
        "Page-Hinkley, mean": (mean, ours(page_hinkley.advance, PageHinkleyState(slack=slack, limit=cusum.limit_for(ROWS, slack)))),
    }
    if drift is not None:
        limit = cusum.limit_for(ROWS, slack)
        detectors["river ADWIN, rate"] = (rate, rivers(lambda: drift.ADWIN()))
        detectors["river Page-Hinkley, mean"] = (
            mean,
            rivers(lambda: drift.PageHinkley(min_instances=1, delta=slack, threshold=limit, alpha=1.0)),
        )
    print(f"{'':26} {'alarm in 20,000 quiet':>22} {'before the change':>18} {'median delay':>13} {'µs a value':>11}")
    for name, (draw, find) in detectors.items():
        quiet, early, late, took = looked(find, draw, runs)
        print(f"{name:26} {quiet:22.0%} {early:18.0%} {late:13.0f} {took:11.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
