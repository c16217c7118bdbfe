"""How much of a row its principal components miss: what sees a changed relation of features, and costs next to nothing.

Source: the multivariate drift detection of NannyML (data reconstruction with PCA); Jolliffe 2002, "Principal Component Analysis", chapter 10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noria.core.joint import ChunkLimit, Reconstruction
from noria.stages.monitoring.chunk_limits import FEWEST_CHUNKS, independent_rows, upper_limit

KEPT = 0.65
"""Share of the variance that the components hold."""

MOST_COMPONENTS = 50
"""Components that are kept at most."""

FOLDS, ROW_FOLDS = 5, 20
"""Parts that are each judged by components that they had no part in: of chunks, or of rows where chunks are too few."""

Array = NDArray[np.float64]


def components_of(covariance: Array, kept: float = KEPT, *, count: int = 0) -> Array:
    """Fewest principal components that hold `kept` of the variance, or `count` of them, shape (components, coordinates)."""
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    total = values.sum()
    if total <= 0:
        return np.zeros((0, len(covariance)))
    enough = count or int(np.searchsorted(np.cumsum(values) / total, kept - 1e-12)) + 1
    return np.ascontiguousarray(vectors[:, : min(enough, MOST_COMPONENTS)].T)


def residuals(points: Array, components: Array) -> Array:
    """What the components leave of each row, shape (rows, coordinates)."""
    return points - (points @ components.T) @ components


def errors(points: Array, components: Array) -> Array:
    """Euclidean length of what the components leave of each row, shape (rows,)."""
    return np.sqrt(np.square(residuals(points, components)).sum(axis=1))


def learn(points: Array, chunks: NDArray[np.intp], usual: NDArray[np.bool_]) -> Reconstruction:
    """Learn the components and how the error of a chunk usually varies, each row by components that it had no part in.

    Args:
        points: Rows of the reference on one scale, shape (rows, coordinates).
        chunks: Number of each row's chunk, in order of time from 0, shape (rows,).
        usual: Which chunks have rows enough to be calibrated on, shape (chunks,).
    """
    components = components_of(_covariance(points))
    unseen = np.empty(len(points))
    folds = chunks % FOLDS if usual.sum() >= FEWEST_CHUNKS else np.arange(len(points)) % ROW_FOLDS
    for fold in np.unique(folds):
        judged = folds == fold
        others = components_of(_covariance(points[~judged]), count=len(components)) if (~judged).sum() > points.shape[1] else components
        unseen[judged] = errors(points[judged], others)
    means = np.bincount(chunks, unseen, minlength=len(usual)) / np.maximum(np.bincount(chunks, minlength=len(usual)), 1)
    return Reconstruction(
        components=tuple(tuple(float(value) for value in row) for row in components),
        residuals=tuple(float(value) for value in np.square(residuals(points, components)).mean(axis=0)),
        row_spread=float(unseen.std()),
        errors=_either_side(means[usual], float(unseen.mean())),
    )


def deviation(points: Array, known: Reconstruction) -> tuple[float, Array]:
    """The mean error of a chunk over the usual one, less 1, and each coordinate's part in it.

    Returns:
        The relative change, and shape (coordinates,): by how much each coordinate's mean squared residual grew
        (or shrank), in the direction of the change, as shares of 1.
    """
    components = np.array(known.components).reshape(len(known.components), points.shape[1])
    left = residuals(points, components)
    change = float(np.sqrt(np.square(left).sum(axis=1)).mean()) / known.errors.usual - 1 if known.errors.usual > 0 else 0.0
    moved = np.maximum((np.square(left).mean(axis=0) - np.array(known.residuals)) * np.sign(change or 1.0), 0.0)
    return change, moved / moved.sum() if moved.sum() > 0 else moved


def _either_side(means: Array, usual: float) -> ChunkLimit:
    if len(means) < FEWEST_CHUNKS:
        return ChunkLimit(usual=usual, spread=float("nan"), limit=float("inf"), chunks=0)
    worth = independent_rows(means[:, None])
    limit = max(upper_limit(means, worth) - means.mean(), float(np.quantile(np.abs(means - means.mean()), 0.99)))
    return ChunkLimit(usual=float(means.mean()), spread=float(means.std(ddof=1)), limit=float(limit), chunks=len(means))


def _covariance(points: Array) -> Array:
    return np.atleast_2d(np.cov(points.T, bias=True)) if len(points) else np.zeros((points.shape[1], points.shape[1]))
