"""Sums of losses by slice and block of time: all that a search needs to hold a slice against other rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from noria.core.schema import Estimate
from noria.stages.evaluation.intervals import critical
from noria.stages.evaluation.measured import Array, Codes

BLOCKS = 64
"""Finer blocks of time are joined to so many, which bounds memory; coarser blocks are no less honest."""

FEWEST_BLOCKS = 5
"""A slice that is seen in fewer blocks has no error that can be told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Rows and sums of losses of some slices in each block, both of shape (slices, blocks)."""

    rows: Array
    losses: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: NDArray | slice) -> Sums:
        return Sums(rows=self.rows[places], losses=self.losses[places])

    def blocks(self, places: slice) -> Sums:
        """The same slices, in some blocks only."""
        return Sums(rows=self.rows[:, places], losses=self.losses[:, places])

    def __sub__(self, other: Sums) -> Sums:
        """The rows that are in these but not in the other slices, which are parts of them."""
        return Sums(rows=self.rows - other.rows, losses=self.losses - other.losses)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gaps:
    """By how much some slices are worse than other rows, each of shape (slices,)."""

    value: Array
    se: Array
    freedom: Array
    p: Array
    """One-sided: small where the slice is worse."""


def blocks_of(clusters: NDArray | None, rows: int) -> tuple[Codes, int]:
    """The block that each row falls in, in time order, and how many there are; rows are in time order themselves."""
    if clusters is None:
        count = max(1, min(BLOCKS, rows))
        return np.arange(rows) * count // max(rows, 1), count
    names, codes = np.unique(clusters, return_inverse=True)
    count = min(BLOCKS, len(names))
    return codes * count // max(len(names), 1), count


def sums_of(cells: Codes, count: int, losses: Array, blocks: Codes, block_count: int) -> Sums:
    """Sums of `count` slices that do not overlap, given by the slice of each row."""
    place = cells * block_count + blocks
    size = count * block_count
    return Sums(
        rows=np.bincount(place, minlength=size).reshape(count, block_count).astype(np.float64),
        losses=np.bincount(place, weights=losses, minlength=size).reshape(count, block_count).astype(np.float64),
    )


def gaps(slices: Sums, others: Sums) -> Gaps:
    """Hold the mean loss of slices against that of other rows (shape (1, blocks), or one for each slice).

    Rows of one block are not taken as independent: what each block moves the difference by is
    squared and summed (Liang & Zeger 1986), Student's t with the blocks that the slice is seen in.
    """
    n, others_n = slices.rows.sum(axis=1), others.rows.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, other = slices.losses.sum(axis=1) / n, others.losses.sum(axis=1) / others_n
        moved = _moved(slices, mean, n) - _moved(others, other, others_n)
        seen = np.count_nonzero(slices.rows, axis=1)
        se = np.sqrt((moved**2).sum(axis=1) * seen / np.maximum(seen - 1, 1))
        value = np.where(seen >= FEWEST_BLOCKS, mean - other, np.nan)
        freedom = np.maximum(seen - 1, 1).astype(np.float64)
        p = np.where(se > 0, stdtr(freedom, -value / se), np.nan)
    return Gaps(value=value, se=se, freedom=freedom, p=np.where(np.isnan(p), 1.0, p))


def mean_of(slices: Sums, level: float) -> list[Estimate]:
    """The mean loss of each slice with its interval."""
    n = slices.rows.sum(axis=1)
    mean = slices.losses.sum(axis=1) / n
    seen = np.count_nonzero(slices.rows, axis=1)
    se = np.sqrt((_moved(slices, mean, n) ** 2).sum(axis=1) * seen / np.maximum(seen - 1, 1))
    return [_estimate(m, s, f - 1, int(k), level) for m, s, f, k in zip(mean, se, seen, n, strict=True)]


def gap_estimate(found: Gaps, place: int, rows: float, level: float) -> Estimate:
    """One gap with its interval."""
    return _estimate(found.value[place], found.se[place], found.freedom[place], int(rows), level)


def _moved(slices: Sums, mean: Array, n: Array) -> Array:
    return (slices.losses - mean[:, None] * slices.rows) / n[:, None]


def _estimate(value: float, se: float, freedom: float, rows: int, level: float) -> Estimate:
    reach = critical(level, int(freedom)) * se
    return Estimate(value=float(value), low=float(value - reach), high=float(value + reach), n=rows, se=float(se), level=level)
