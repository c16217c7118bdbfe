"""Metrics of predicted quantiles; y is of shape (rows,), score of shape (rows, levels), levels ascending."""

from __future__ import annotations

import numpy as np

from noria.core.errors import DataInvalid
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Measured, mean_of, scaled
from noria.stages.evaluation.metric import Informed


def pinball(y: Array, score: Array, given: Given) -> Measured:
    """Measure the pinball loss (Koenker & Bassett 1978), averaged over levels."""
    return mean_of(losses(y, score, given).mean(axis=1))


def pinball_at(percent: int) -> Informed:
    """The formula of the pinball loss of one level; NaN where that level was not predicted."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        at = _column(given, percent / 100)
        return UNDEFINED if at is None else mean_of(losses(y, score, given)[:, at])

    return formula


def crps(y: Array, score: Array, given: Given) -> Measured:
    """Measure the continuous ranked probability score as far as the quantiles tell it (Gneiting & Raftery 2007).

    It is twice the pinball loss integrated over all levels; each level stands for the part of 0 to 1 that lies nearest to it.
    """
    borders = np.concatenate([[0.0], (np.array(given.levels)[1:] + np.array(given.levels)[:-1]) / 2, [1.0]])
    return mean_of(2.0 * losses(y, score, given) @ np.diff(borders))


def coverage(percent: int | None = None) -> Informed:
    """The formula of the share of outcomes within the central interval of so many percent; None = the widest one."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        pair = central(given, percent)
        if pair is None:
            return UNDEFINED
        low, high = score[:, pair[0]], score[:, pair[1]]
        return mean_of(((y >= low) & (y <= high)).astype(np.float64))

    return formula


def coverage_gap(y: Array, score: Array, given: Given) -> Measured:
    """Measure coverage of the widest central interval, less what it promises: below 0 the model is too sure of itself."""
    pair = central(given, None)
    if pair is None:
        return UNDEFINED
    return scaled(coverage()(y, score, given), 1.0, given.levels[pair[0]] - given.levels[pair[1]])


def width(percent: int | None = None) -> Informed:
    """The formula of the mean width of the central interval of so many percent, in the units of the label."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        pair = central(given, percent)
        if pair is None:
            return UNDEFINED
        return mean_of(score[:, pair[1]] - score[:, pair[0]])

    return formula


def crossing(y: Array, score: Array, given: Given) -> Measured:
    """Measure the share of rows in which a higher level has a lower quantile."""
    return mean_of(np.any(score[:, 1:] < score[:, :-1], axis=1).astype(np.float64))


def losses(y: Array, score: Array, given: Given) -> Array:
    """Pinball loss of each row and level, shape (rows, levels).

    Raises:
        DataInvalid: levels and columns of the score do not fit together.
    """
    levels = np.array(given.levels)
    if score.ndim != 2 or score.shape[1] != len(levels) or (np.diff(levels) <= 0).any() or not (levels[0] > 0 and levels[-1] < 1):
        raise DataInvalid(
            f"scores of shape {score.shape} are not quantiles at levels {given.levels}",
            fix="give one column per level, levels ascending within 0 and 1",
        )
    below = y[:, None] - score
    return np.maximum(levels * below, (levels - 1.0) * below)


def central(given: Given, percent: int | None) -> tuple[int, int] | None:
    """Columns of the two levels around the middle that so many percent lie between; None = the outermost such pair."""
    pairs = [(at, _column(given, 1.0 - level)) for at, level in enumerate(given.levels) if level < 0.5]
    found = [(low, high) for low, high in pairs if high is not None]
    if percent is not None:
        found = [pair for pair in found if abs(given.levels[pair[1]] - given.levels[pair[0]] - percent / 100) < 1e-6]
    return found[0] if found else None


def _column(given: Given, level: float) -> int | None:
    near = [at for at, known in enumerate(given.levels) if abs(known - level) < 1e-6]
    return near[0] if near else None
