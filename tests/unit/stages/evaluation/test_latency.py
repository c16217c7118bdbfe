import math
from time import sleep

import numpy as np

from noria.stages.evaluation.latency import measure


def test_single_rows_are_asked_in_turn_after_a_warm_up() -> None:
    asked: list[np.ndarray] = []

    def score(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return rows.sum(axis=1)

    p50, p99 = measure(score, np.arange(6.0).reshape(3, 2), calls=30)
    assert len(asked) > 30
    assert all(rows.shape == (1, 2) for rows in asked)
    assert {rows[0, 0] for rows in asked} == {0.0, 2.0, 4.0}
    assert 0 < p50 <= p99


def test_a_millisecond_is_measured_as_one() -> None:
    p50, _ = measure(lambda rows: sleep(0.002) or rows, np.zeros((1, 1)), calls=5)
    assert p50 >= 2


def test_no_rows_no_measurement() -> None:
    assert all(math.isnan(ms) for ms in measure(lambda rows: rows, np.empty((0, 3))))
