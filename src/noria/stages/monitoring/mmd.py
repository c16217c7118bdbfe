"""Whether two groups of points come from one distribution: the maximum mean discrepancy with a Gaussian kernel.

Source: Gretton, Borgwardt, Rasch, Schölkopf and Smola 2012, "A kernel two-sample test", equations (3)
for the unbiased estimate, and section 6 for the one in linear time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.stats import norm

MOST_POINTS = 500
"""Points of either side in a test of all pairs."""

PERMUTATIONS = 300
_MEDIAN_POINTS = 500

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """How far two groups are apart, and how often chance would put them as far.

    Attributes:
        value: The unbiased estimate of MMD²; 0 on average when they are alike, and then below 0 as often as above.
        p: Share of permutations that are as far apart, counting this one.
        chance: The value that 199 of 200 permutations stay below.
    """

    value: float
    p: float
    chance: float


def median_gamma(points: Array, *, seed: int = 0) -> float:
    """The usual width: γ = 1 / (median squared distance between points)."""
    some = points[np.random.default_rng(seed).permutation(len(points))[:_MEDIAN_POINTS]]
    middle = float(np.median(pdist(some, "sqeuclidean"))) if len(some) > 1 else 0.0
    return 1 / middle if middle > 0 else 1.0


def kernel(left: Array, right: Array, gamma: float) -> Array:
    """exp(−γ ‖x − y‖²) of all pairs, shape (left, right)."""
    return np.exp(-gamma * cdist(left, right, "sqeuclidean"))


def mmd2(left: Array, right: Array, gamma: float) -> float:
    """The unbiased estimate of MMD² (equation 3)."""
    whole = kernel(np.vstack([left, right]), np.vstack([left, right]), gamma)
    return float(_unbiased(whole, np.repeat([True, False], [len(left), len(right)])[None, :])[0])


def permuted(left: Array, right: Array, gamma: float, *, permutations: int = PERMUTATIONS, seed: int = 0) -> Discrepancy:
    """Test by permuting the groups on one kernel matrix; at most `MOST_POINTS` of either side are looked at."""
    random = np.random.default_rng(seed)
    left, right = (side[random.permutation(len(side))[:MOST_POINTS]] for side in (left, right))
    if min(len(left), len(right)) < 2:
        return Discrepancy(value=float("nan"), p=1.0, chance=float("inf"))
    both = np.vstack([left, right])
    groups = np.tile(np.arange(len(both)) < len(left), (permutations + 1, 1))
    groups[1:] = random.permuted(groups[1:], axis=1)
    found = _unbiased(kernel(both, both, gamma), groups)
    return Discrepancy(
        value=float(found[0]),
        p=float((1 + (found[1:] >= found[0]).sum()) / (permutations + 1)),
        chance=float(np.quantile(found[1:], 0.995)),
    )


def linear_time(left: Array, right: Array, gamma: float) -> tuple[float, float]:
    """The estimate of MMD² over disjoint pairs, and the one-sided p-value of its z test: any number of points, O(n).

    Weaker per point than `permuted`; for many points. Points must not be in an order that means something.
    """
    pairs = min(len(left), len(right)) // 2
    if pairs < 2:
        return float("nan"), 1.0
    x, y, u, v = left[0 : 2 * pairs : 2], left[1 : 2 * pairs : 2], right[0 : 2 * pairs : 2], right[1 : 2 * pairs : 2]

    def k(a: Array, b: Array) -> Array:
        return np.exp(-gamma * np.square(a - b).sum(axis=1))

    h = k(x, y) + k(u, v) - k(x, v) - k(y, u)
    spread = float(h.std(ddof=1)) / sqrt(pairs)
    value = float(h.mean())
    return value, float(norm.sf(value / spread)) if spread > 0 else 1.0


def _unbiased(whole: Array, groups: NDArray[np.bool_]) -> Array:
    """MMD² of each way to part the points, from the kernel of all pairs; `groups` has shape (ways, points)."""
    first = groups.astype(np.float64)
    second = 1 - first
    n, m = first.sum(axis=1), second.sum(axis=1)
    diagonal = np.diag(whole)
    with_first = first @ whole
    within = (with_first * first).sum(axis=1) - first @ diagonal
    across = (with_first * second).sum(axis=1)
    others = whole.sum() - diagonal.sum() - within - 2 * across
    return np.asarray(within / (n * (n - 1)) + others / (m * (m - 1)) - 2 * across / (n * m))
