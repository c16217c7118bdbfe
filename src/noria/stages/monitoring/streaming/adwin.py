"""The adaptive window (Bifet & Gavaldà 2007, ADWIN2): as long as nothing changes it grows, then it forgets what was before.

Two halves of the window differ when their means lie further apart than
√(2/m · σ² · ln(2/δ')) + 2/(3m) · ln(2/δ'), with 1/m = 1/n₀ + 1/n₁ and δ' = δ / ln n: the paper's
ε_cut. It holds for values between 0 and 1.
"""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
from numpy.typing import NDArray

from noria.core.streaming import AdwinState

Array = NDArray[np.float64]
Bucket = tuple[float, float]

BUCKETS = 5
"""Most buckets of one size (the paper's M); one more, and the two oldest become one of twice the size."""


def advance(state: AdwinState, values: Array) -> tuple[AdwinState, int | None]:
    """Take in values between 0 and 1, shape (rows,); returns the place at which the window was first cut, None when it was not.

    Values are summed by blocks first, so the work is per block: a hundred thousand rows take a
    tenth of a second. Memory grows with the logarithm of the window.
    """
    size, held = state.block, len(state.waiting)
    whole = np.concatenate([np.asarray(state.waiting, dtype=np.float64), np.asarray(values, dtype=np.float64)])
    blocks = whole[: len(whole) // size * size].reshape(-1, size)
    sums, spreads = blocks.sum(axis=1), np.square(blocks - blocks.mean(axis=1, keepdims=True)).sum(axis=1)
    levels, first, cuts = [list(level) for level in state.levels], None, state.cuts
    for place, bucket in enumerate(zip(sums.tolist(), spreads.tolist(), strict=True)):
        _insert(levels, bucket, size)
        if _shrink(levels, size, state.delta):
            cuts += 1
            first = (place + 1) * size - 1 - held if first is None else first
    rest = tuple(whole[blocks.size :].tolist())
    return replace(state, waiting=rest, levels=tuple(tuple(level) for level in levels), cuts=cuts), first


def window(state: AdwinState) -> tuple[int, float]:
    """Rows in the window, without those that wait, and their mean (NaN when there are none)."""
    rows = sum(len(level) << place for place, level in enumerate(state.levels)) * state.block
    total = sum(bucket[0] for level in state.levels for bucket in level)
    return rows, total / rows if rows else float("nan")


def _insert(levels: list[list[Bucket]], bucket: Bucket, size: int) -> None:
    carried, place = bucket, 0
    while True:
        if place == len(levels):
            levels.append([])
        levels[place].append(carried)
        if len(levels[place]) <= BUCKETS:
            return
        rows = size << place
        carried = _merged(levels[place].pop(0), levels[place].pop(0), rows, rows)
        place += 1


def _merged(one: Bucket, other: Bucket, rows: int, others: int) -> Bucket:
    apart = one[0] / rows - other[0] / others
    return one[0] + other[0], one[1] + other[1] + apart * apart * rows * others / (rows + others)


def _shrink(levels: list[list[Bucket]], size: int, delta: float) -> bool:
    """Drop the oldest buckets for as long as some cut of the window shows two different means."""
    cut = False
    while _differs(levels, size, delta):
        levels[-1].pop(0)
        while levels and not levels[-1]:
            levels.pop()
        cut = True
    return cut


def _differs(levels: list[list[Bucket]], size: int, delta: float) -> bool:
    oldest_first = [(bucket, size << place) for place in range(len(levels) - 1, -1, -1) for bucket in levels[place]]
    if len(oldest_first) < 2:
        return False
    (total, spread), rows = oldest_first[0]
    for bucket, others in oldest_first[1:]:
        total, spread = _merged((total, spread), bucket, rows, others)
        rows += others
    doubt = log(2 * log(rows) / delta)
    before, old = 0.0, 0
    for bucket, others in oldest_first[:-1]:
        before, old = before + bucket[0], old + others
        inverse = 1 / old + 1 / (rows - old)
        apart = abs(before / old - (total - before) / (rows - old))
        if apart > (2 * inverse * spread / rows * doubt) ** 0.5 + 2 / 3 * inverse * doubt:
            return True
    return False
