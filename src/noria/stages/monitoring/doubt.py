"""How sure something that was learnt on held-out rows is, and what is left of that where new rows are not like them.

What was learnt is taken as off by a few numbers (a shift and a stretch of the log-odds; the mean of
a loss). Held-out rows leave a doubt about them: the sandwich with rows of one day taken together
(Liang & Zeger 1986), and what one day by itself differs by. And where new rows are unlike the
held-out ones, the held-out rows that are like them, weighted up, may say something else than all
of them do: that difference is doubt too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]

_WIDEST = 5.0
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Doubt:
    """Covariances of what was learnt, shape (numbers, numbers).

    Attributes:
        learnt: Of the numbers themselves.
        per_block: Of what one block of time by itself is off by, beyond what its rows explain.
    """

    learnt: Array
    per_block: Array


def doubt_of(scores: Array, curvature: Array, blocks: NDArray) -> Doubt:
    """The sandwich over rows and over blocks.

    Args:
        scores: Each row's derivative of the log-likelihood, shape (rows, numbers).
        curvature: The sum of its negative second derivatives, shape (numbers, numbers).
        blocks: The block of each row.
    """
    bread = _inverse(curvature)
    rows = bread @ (scores.T @ scores) @ bread
    names, places = np.unique(blocks, return_inverse=True)
    count = len(names)
    if count < 2 or count == len(scores):
        return Doubt(learnt=rows, per_block=np.zeros_like(rows))
    sums = np.zeros((count, scores.shape[1]))
    np.add.at(sums, places, scores)
    more = positive(bread @ (sums.T @ sums * count / (count - 1)) @ bread - rows)
    return Doubt(learnt=rows + more, per_block=more * count)


def step(scores: Array, curvature: Array) -> Array:
    """How far the numbers are from what these rows say, to first order, shape (numbers,)."""
    return np.asarray(_inverse(curvature) @ scores.sum(axis=0))


def shifted(scores: Array, curvatures: Array, weights: Array) -> tuple[Array, Array]:
    """What rows say otherwise when they are met as often as the weights say: the difference squared, and its variance by chance.

    Args:
        scores: As for `doubt_of`.
        curvatures: Each row's part of the curvature, shape (rows, numbers, numbers).
        weights: Shape (rows,), 1 on average.
    """
    plain, weighted = _inverse(curvatures.sum(axis=0)), _inverse((curvatures * weights[:, None, None]).sum(axis=0))
    parts = (scores * weights[:, None]) @ weighted - scores @ plain
    total = parts.sum(axis=0)
    return np.outer(total, total), parts.T @ parts


def chance_basis(chance: Array) -> Array:
    """What a shift and a stretch of the log-odds move, shape (..., 2): 1, and the log-odds."""
    odds = np.clip(logit(np.clip(chance, 1e-6, 1 - 1e-6)), -_WIDEST, _WIDEST)
    return np.stack([np.ones_like(odds), odds], axis=-1)


def doubt_of_chances(y: Array, chance: Array, weights: Array) -> Array:
    """How far chances of 0/1 outcomes may be off there, beyond what chance shows, shape (2, 2)."""
    basis = chance_basis(chance)
    curvatures = (chance * (1 - chance))[:, None, None] * basis[:, :, None] * basis[:, None, :]
    difference, noise = shifted((y - chance)[:, None] * basis, curvatures, weights)
    return positive(difference - noise)


def doubt_of_mean(off: Array, weights: Array) -> float:
    """How far a mean error of 0 may be off there: a variance.

    A loss has no bound, so what the few rows that are like the new ones cannot rule out is doubt as well.
    """
    difference, noise = shifted(off[:, None], np.ones((len(off), 1, 1)), weights)
    return float((difference + noise)[0, 0])


def moved(chance: Array, covariance: Array, random: np.random.Generator, draws: int) -> Array:
    """The chances as they might be instead, shape (draws, *chance.shape)."""
    basis = chance_basis(chance)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    drawn = random.normal(size=(draws, 2)) @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    return np.asarray(expit(np.tensordot(drawn, basis, axes=(1, -1)) + basis[..., 1]))


def positive(matrix: Array) -> Array:
    """The nearest covariance: negative variances are none."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.clip(values, 0.0, None)) @ vectors.T)


def both(matrix: Array) -> tuple[float, ...]:
    """A covariance as it is stored: row by row."""
    return tuple(float(value) for value in matrix.ravel())


def square(stored: tuple[float, ...]) -> Array:
    """A stored 2 × 2 covariance; nothing stored is no doubt."""
    return np.asarray(stored, dtype=np.float64).reshape(2, 2) if len(stored) == 4 else np.zeros((2, 2))


def _inverse(curvature: Array) -> Array:
    return np.asarray(np.linalg.inv(curvature + _RIDGE * np.eye(len(curvature))))
