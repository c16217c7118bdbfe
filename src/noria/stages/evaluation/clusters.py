"""Metrics of a clustering: of its shape, from where rows lie, and against a truth where one is known.

score holds the cluster of each row, y its true class, both as whole numbers, shape (rows,); a
cluster below 0 means "none" (noise) and is left out of what looks at shape. Intervals tell how the
metric would differ on other rows, the clusters being what they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from noria.core.schema import Estimate
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Codes, Measured, ratio_of, scaled
from noria.stages.evaluation.metric import Informed

MOST_ROWS = 2_000
"""Silhouettes compare all pairs: of more rows than this, evenly spaced ones stand for all."""

Shape = Callable[[Array, Codes, int], Measured]
"""(points, cluster codes, clusters) to a measure of the rows."""

Table = Callable[[Array], float]
"""Rows by class and cluster, shape (classes, clusters), to a value."""


def of_shape(shape: Shape, *, most: int | None = None) -> Informed:
    """A metric of shape on rows that are in a cluster, or on so many of them."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        assert given.points is not None
        kept = np.flatnonzero(score >= 0)
        if most is not None and len(kept) > most:
            kept = kept[np.linspace(0, len(kept) - 1, most).astype(np.intp)]
        names, codes = np.unique(score[kept], return_inverse=True)
        if not 1 < len(names) < len(kept):
            return UNDEFINED
        found = shape(np.asarray(given.points, dtype=np.float64)[kept], codes, len(names))
        influence = np.zeros(len(score))
        influence[kept] = found.influence
        return Measured(value=found.value, influence=influence)

    return formula


def against_truth(table: Table) -> Informed:
    """A metric of agreement with known classes; its influences are the table's derivatives, by central differences."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        (classes, true), (names, said) = (np.unique(codes, return_inverse=True) for codes in (y, score))
        cell = true * len(names) + said
        counts = np.bincount(cell, minlength=len(classes) * len(names)).astype(np.float64)
        slopes = np.zeros(len(counts))
        for at in np.flatnonzero(counts):
            step = np.zeros(len(counts))
            step[at] = 0.01
            more, less = ((counts + sign * step).reshape(len(classes), -1) for sign in (1.0, -1.0))
            slopes[at] = (table(more) - table(less)) / 0.02
        influence = slopes[cell]
        return Measured(value=table(counts.reshape(len(classes), -1)), influence=influence - influence.mean())

    return formula


def silhouette(points: Array, codes: Codes, count: int) -> Measured:
    """Mean silhouette (Rousseeuw 1987): how much nearer rows are to their own cluster than to the next one, −1 to 1."""
    rows = np.arange(len(codes))
    distance = np.sqrt(np.maximum(_squares(points), 0.0))
    members = (codes[:, None] == np.arange(count)).astype(np.float64)
    sizes = members.sum(axis=0)
    means = distance @ members / sizes
    company = np.maximum(sizes[codes] - 1.0, 1.0)
    own = means[rows, codes] * sizes[codes] / company
    means[rows, codes] = np.inf
    near = means.argmin(axis=1)
    other = means[rows, near]
    alone = sizes[codes] < 2
    most = np.maximum(np.maximum(own, other), SMALLEST_DISTANCE)
    widths = np.where(alone, 0.0, (other - own) / most)
    by_own = np.where(alone, 0.0, np.where(own > other, -other / most**2, -1.0 / most)) / company
    by_other = np.where(alone, 0.0, np.where(own > other, 1.0 / most, own / most**2)) / sizes[near]
    moved = np.where(codes[:, None] == codes, by_own[:, None] * (distance - own[:, None]), 0.0)
    moved[rows, rows] = 0.0
    moved += np.where(near[:, None] == codes, by_other[:, None] * (distance - other[:, None]), 0.0)
    value = widths.mean()
    return Measured(value=float(value), influence=(widths - value + moved.sum(axis=0)) / len(codes))


def davies_bouldin(points: Array, codes: Codes, count: int) -> Measured:
    """Davies & Bouldin's (1979) index: how wide clusters are against how far apart, for each with its worst neighbour; 0 is best."""
    sizes, centres = _centres(points, codes, count)
    from_centre = points - centres[codes]
    away = np.linalg.norm(from_centre, axis=1)
    wide = np.bincount(codes, weights=away, minlength=count) / sizes
    towards = from_centre / np.maximum(away, SMALLEST_DISTANCE)[:, None]
    pull = np.column_stack([np.bincount(codes, weights=part, minlength=count) for part in towards.T]) / sizes[:, None]
    widened = (away - wide[codes] - (pull[codes] * from_centre).sum(axis=1)) / sizes[codes]
    apart = np.sqrt(np.maximum(_squares(centres), 0.0))
    np.fill_diagonal(apart, np.inf)
    ratios = (wide[:, None] + wide) / np.maximum(apart, SMALLEST_DISTANCE)
    influence = np.zeros(len(codes))
    for one, other in enumerate(ratios.argmax(axis=1)):
        gap = apart[one, other]
        way = (centres[one] - centres[other]) / gap
        for cluster, sign in ((one, 1.0), (other, -1.0)):
            inside = codes == cluster
            moved = sign * (from_centre[inside] @ way) / sizes[cluster]
            influence[inside] += (widened[inside] - ratios[one, other] * moved) / gap / count
    return Measured(value=float(ratios.max(axis=1).mean()), influence=influence)


def calinski_harabasz(points: Array, codes: Codes, count: int) -> Measured:
    """Caliński & Harabasz's (1974) ratio of the spread between clusters to that within, each over its degrees of freedom."""
    _, centres = _centres(points, codes, count)
    within = ((points - centres[codes]) ** 2).sum(axis=1)
    total = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    return scaled(ratio_of(total - within, within), (len(codes) - count) / (count - 1))


def adjusted_rand(table: Array) -> float:
    """Hubert & Arabie's (1985) adjusted Rand index: 1 = the same, 0 = as good as chance."""
    pairs, rows, columns = (float((part * (part - 1.0) / 2.0).sum()) for part in (table, table.sum(axis=1), table.sum(axis=0)))
    expected, most = rows * columns / (table.sum() * (table.sum() - 1.0) / 2.0), (rows + columns) / 2.0
    return (pairs - expected) / (most - expected) if most != expected else 1.0


def homogeneity(table: Array) -> float:
    """How far each cluster holds one class only, 0 to 1 (Rosenberg & Hirschberg 2007)."""
    spread = _entropy(table.sum(axis=1))
    return _mutual(table) / spread if spread > 0 else 1.0


def completeness(table: Array) -> float:
    """How far each class is in one cluster only, 0 to 1."""
    return homogeneity(table.T)


def v_measure(table: Array) -> float:
    """The harmonic mean of homogeneity and completeness; also mutual information over the mean of both entropies (NMI)."""
    mean = (_entropy(table.sum(axis=1)) + _entropy(table.sum(axis=0))) / 2.0
    return _mutual(table) / mean if mean > 0 else 1.0


def stability(points: Array, assign: Callable[[Array], Array], *, seed: int, resamples: int = 30, level: float = 0.95) -> Estimate:
    """Mean Jaccard similarity of clusters to their likest ones when rows are drawn and clustered again (Hennig 2007).

    Above 0.75 clusters are stable, below 0.5 they dissolve. The interval is where the middle of the resamples lies.

    Args:
        assign: Points, shape (n, columns), to clusters, shape (n,).
    """
    names, codes = np.unique(np.asarray(assign(points)), return_inverse=True)
    random = np.random.default_rng(seed)
    found = np.empty(resamples)
    for at in range(resamples):
        drawn = np.unique(random.integers(len(points), size=len(points)))
        others, again = np.unique(np.asarray(assign(points[drawn])), return_inverse=True)
        both = np.zeros((len(names), len(others)))
        np.add.at(both, (codes[drawn], again), 1.0)
        either = both.sum(axis=1)[:, None] + both.sum(axis=0) - both
        met = both.sum(axis=1) > 0
        found[at] = (both / np.maximum(either, 1.0)).max(axis=1)[met].mean()
    low, high = np.quantile(found, ((1 - level) / 2, (1 + level) / 2))
    return Estimate(value=float(found.mean()), low=float(low), high=float(high), n=len(points), se=float(found.std(ddof=1)), level=level)


SMALLEST_DISTANCE = 1e-300


def _centres(points: Array, codes: Codes, count: int) -> tuple[Array, Array]:
    sizes = np.bincount(codes, minlength=count).astype(np.float64)
    sums = np.column_stack([np.bincount(codes, weights=column, minlength=count) for column in points.T])
    return sizes, sums / sizes[:, None]


def _squares(points: Array) -> Array:
    lengths = (points**2).sum(axis=1)
    squares = lengths[:, None] + lengths - 2.0 * points @ points.T
    np.fill_diagonal(squares, 0.0)
    return np.asarray(squares)


def _mutual(table: Array) -> float:
    """Mutual information of class and cluster, in nats."""
    share = table / table.sum()
    expected = np.outer(share.sum(axis=1), share.sum(axis=0))
    told = share > 0
    return float((share[told] * np.log(share[told] / expected[told])).sum())


def _entropy(counts: Array) -> float:
    told = counts[counts > 0] / counts.sum()
    return float(-(told * np.log(told)).sum())
