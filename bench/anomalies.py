"""Nearest neighbours against an isolation forest: what each finds of planted requests at the same rate of false alarms.

Run: python bench/anomalies.py
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from sklearn.ensemble import IsolationForest

from noria.core.schema import Field, Kind
from noria.stages.monitoring import anomalies, coordinates


def usual(random: np.random.Generator, n: int, width: int) -> np.ndarray:
    X = random.normal(size=(n, width))
    X[:, 1] = 0.9 * X[:, 0] + np.sqrt(1 - 0.81) * X[:, 1]
    X[:, 2] = np.exp(X[:, 2])
    return X


def planted(random: np.random.Generator, kind: str, n: int, width: int) -> np.ndarray:
    X = usual(random, n, width)
    match kind:
        case "one feature 6 sd off":
            X[:, 3] = 6
        case "one feature 4 sd off":
            X[:, 3] = 4
        case "three features 3 sd off":
            X[:, 3:6] = 3
        case "a relation broken":
            X[:, 1] = -np.sign(X[:, 0]) * 2 * np.maximum(np.abs(X[:, 0]), 1)
        case "usual":
            pass
    return X


def frame(X: np.ndarray, start: str = "2024-01-01") -> pl.DataFrame:
    times = np.datetime64(start, "ms") + (np.arange(len(X)) * 100_000).astype("timedelta64[ms]")
    return pl.DataFrame({"__time": times} | {f"x{k}": X[:, k] for k in range(X.shape[1])})


def main() -> None:
    random = np.random.default_rng(1)
    kinds = ("usual", "one feature 6 sd off", "one feature 4 sd off", "three features 3 sd off", "a relation broken")
    print(f"{'features':>8} {'planted':26} {'neighbours':>10} {'forest':>10}   share called anomalous, 0.5 % expected")
    for width in (6, 12, 30):
        reference = frame(usual(random, 22_000, width))
        fields = [Field(name=f"x{k}", kind=Kind.FLOAT) for k in range(width)]
        began = time.perf_counter()
        built = anomalies.build(reference, fields)
        assert built is not None
        mine, sample = built
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        forest = IsolationForest(n_estimators=100, random_state=1).fit(coordinates.points(sample, mine.coordinates))
        held = -forest.score_samples(coordinates.points(reference, mine.coordinates))
        threshold = np.quantile(held, 0.995)
        theirs = time.perf_counter() - began
        for kind in kinds:
            rows = frame(planted(random, kind, 2_000, width))
            found = float((anomalies.scored(mine, sample, rows) > mine.threshold).mean())
            other = float((-forest.score_samples(coordinates.points(rows, mine.coordinates)) > threshold).mean())
            print(f"{width:8} {kind:26} {found:10.1%} {other:10.1%}")
        print(f"{width:8} {'seconds to calibrate':26} {seconds:10.2f} {theirs:10.2f}")


if __name__ == "__main__":
    main()
