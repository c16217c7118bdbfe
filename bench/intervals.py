"""How often 95 % intervals hold the truth, for every metric of every task, and when neighbours in time resemble each other.

    python bench/intervals.py [TRIALS]

The truth is the metric on many rows of the same making. Prints one line per task with the lowest
coverage, and for forecasts the coverage of three ways to count errors that follow each other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "stages" / "evaluation"))

from made_up import rows_of

from noria.core.schema import Task
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import measurable, metric

ROWS = 400
SIZED = {"calinski_harabasz"}
"""Metrics that grow with the number of rows by definition."""


def coverage(task: Task, name: str, trials: int) -> float:
    """Share of trials in which the interval holds the truth."""
    many = 20_000 if task in (Task.CLUSTERING, Task.MULTILABEL) else 150_000
    y, score, told = rows_of(task, 11, many)
    truth = metric(name, task).value(y, score, told) * (ROWS / many if name in SIZED else 1.0)
    held = 0
    for seed in range(trials):
        y, score, told = rows_of(task, 1_000 + seed, ROWS)
        found = estimate(name, y, score, task=task, given=told, seed=seed)
        held += found.low <= truth <= found.high
    return held / trials


def alike(share: float, steps: int, trials: int) -> tuple[float, float, float]:
    """Coverage of the mean error of an autoregression: rows independent, moments independent, moments alike."""
    random, held = np.random.default_rng(5), np.zeros(3)
    for _ in range(trials):
        errors = random.normal(size=steps + 100)
        for at in range(1, len(errors)):
            errors[at] += share * errors[at - 1]
        errors = np.repeat(errors[100:], 4) + random.normal(0, 0.5, size=4 * steps)
        moments, zeros = np.repeat(np.arange(steps), 4), np.zeros(4 * steps)
        ways = ({}, {"clusters": moments}, {"clusters": moments, "serial": True})
        for place, how in enumerate(ways):
            found = estimate("bias", zeros, errors, task=Task.FORECAST, **how)
            held[place] += found.low <= 0 <= found.high
    rows, each, serial = held / trials
    return float(rows), float(each), float(serial)


def main() -> None:
    """Print the tables."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"coverage of 95 % intervals, {ROWS} rows, {trials} trials")
    for task in Task:
        names = [name for name in measurable(task, rows_of(task, 1, 50)[2]) if not metric(name, task).partial]
        found = {name: coverage(task, name, trials) for name in names}
        worst = min(found, key=lambda name: found[name])
        mean = np.mean(list(found.values()))
        print(f"  {task:<11} {len(found):>2} metrics  mean {mean:.3f}  lowest {found[worst]:.3f} ({worst})")
    print("mean error of forecasts whose errors follow each other: rows independent | moments independent | neighbours alike")
    for share in (0.0, 0.3, 0.5, 0.8):
        for steps in (60, 200):
            rows, each, serial = alike(share, steps, trials)
            print(f"  autocorrelation {share:.1f}, {steps:>3} moments: {rows:.3f} | {each:.3f} | {serial:.3f}")


if __name__ == "__main__":
    main()
