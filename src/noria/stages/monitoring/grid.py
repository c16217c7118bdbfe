"""A feature's bins as they are counted: those of its reference, and further ones beyond all that it ever saw.

The bins of the reference end where nearly all its values do. How far beyond a value lies would be
lost, so the count goes on in steps of one, two, four and eight standard deviations outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from noria.core.watching import Extent, FeatureReference

TOLERANCE = 0.05
"""How far beyond the reference's smallest and largest value a number may lie and be within its range, as a share of the range."""

STEPS = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations beyond the range at which counting goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Edges of all bins that are counted, ascending.

    Attributes:
        first, last: Where in `edges` the reference's own first and last edge are.
        lowest, highest: Where in `edges` the usual range begins and ends.
        centres: Where the values of each bin are taken to sit, shape (edges + 1,).
    """

    edges: NDArray[np.float64]
    first: int
    last: int
    lowest: int
    highest: int
    centres: NDArray[np.float64]

    def coarse(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts in the reference's own bins, from counts in all of them with the missing last."""
        inner = counts[self.first + 1 : self.last + 1]
        return np.concatenate([[counts[: self.first + 1].sum()], inner, [counts[self.last + 1 : -1].sum()], counts[-1:]])

    def fine(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The reference's counts on this grid: it has nothing beyond its own range."""
        found = np.zeros(len(self.edges) + 2, dtype=np.int64)
        found[self.first : self.last + 2] = counts[:-1]
        found[-1] = counts[-1]
        return found

    def outside(self, counts: NDArray[np.int64]) -> int:
        """How many numbers lie outside the usual range."""
        return int(counts[: self.lowest + 1].sum() + counts[self.highest + 1 : -1].sum())


def grid_of(feature: FeatureReference) -> Grid:
    """The grid of a feature that is numbers."""
    return _grid(feature.edges, feature.extent)


@lru_cache(maxsize=4_096)
def _grid(edges: tuple[float, ...], extent: Extent | None) -> Grid:
    own = np.asarray(edges, dtype=np.float64)
    if extent is None:
        middles = np.concatenate([own[:1], (own[1:] + own[:-1]) / 2, own[-1:]])
        return Grid(own, 0, len(own) - 1, -1, len(own), middles)
    slack = TOLERANCE * (extent.high - extent.low)
    start, end = min(extent.low - slack, own[0]), max(np.nextafter(extent.high + slack, np.inf), own[-1])
    steps = np.asarray(STEPS) * extent.spread if np.isfinite(extent.spread) else np.empty(0)
    every = np.unique(np.concatenate([start - steps, [start], own, [end], end + steps]))
    first, last = np.searchsorted(every, own[0]), np.searchsorted(every, own[-1])
    middles = np.concatenate([every[:1], (every[1:] + every[:-1]) / 2, every[-1:]])
    middles[first : last + 2] = extent.centres
    return Grid(
        every, int(first), int(last), int(np.searchsorted(every, start)), int(np.searchsorted(every, end)), np.maximum.accumulate(middles)
    )
