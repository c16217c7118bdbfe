"""What chance a score stands for, learnt on held-out rows, and how sure that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from noria.core.watching import Calibration
from noria.stages.monitoring.doubt import both, chance_basis, doubt_of, positive, step

KNOTS = 200
"""Most knots that a calibration keeps."""

FOLDS = 5
_ECE_BINS = 15

Array = NDArray[np.float64]


def calibrate(y: ArrayLike, score: ArrayLike, blocks: ArrayLike | None = None) -> Calibration:
    """Learn what chance a score stands for: isotonic, and only if that makes unseen rows better calibrated.

    Args:
        y: Outcomes 0/1 of rows that the model was not trained on, shape (rows,), in order of time:
            the folds are blocks of time.
        score: The model's P(1), shape (rows,).
        blocks: The block of time of each row, such as its day: rows of one are not independent.

    Returns:
        Without knots when the scores are as good as they are: the cross-validated expected
        calibration error of the isotonic ones is no smaller. With the doubt that is left either way.
    """
    outcomes, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    known = np.isfinite(outcomes) & np.isfinite(scores)
    groups = np.arange(len(scores)) if blocks is None else np.asarray(blocks)
    outcomes, scores, groups = outcomes[known], scores[known], groups[known]
    if not _can_be_learnt(outcomes):
        return Calibration()
    unseen = cross_fitted(outcomes, scores)
    if _ece(outcomes, unseen) < _ece(outcomes, scores):
        return _doubted(_isotonic(outcomes, scores), outcomes, unseen, groups)
    return _doubted(Calibration(), outcomes, np.clip(scores, 0.0, 1.0), groups)


def cross_fitted(y: ArrayLike, score: ArrayLike) -> Array:
    """What each score stands for by an isotonic calibration that its own fifth of the time was left out of, shape (rows,)."""
    outcomes, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if not _can_be_learnt(outcomes):
        return np.clip(scores, 0.0, 1.0)
    unseen = np.empty_like(scores)
    for fold in np.array_split(np.arange(len(scores)), FOLDS):
        others = np.ones(len(scores), dtype=np.bool_)
        others[fold] = False
        unseen[fold] = chances(scores[fold], _isotonic(outcomes[others], scores[others]))
    return unseen


def unseen_chances(y: ArrayLike, score: ArrayLike, calibration: Calibration) -> Array:
    """The held-out rows' chances as honestly as new rows' are told, shape (rows,)."""
    return cross_fitted(y, score) if calibration.scores else chances(score, calibration)


def chances(score: ArrayLike, calibration: Calibration) -> Array:
    """What the scores stand for, shape (rows,); beyond the outer knots as at them."""
    scores = np.asarray(score, dtype=np.float64)
    if not calibration.scores:
        return np.clip(scores, 0.0, 1.0)
    return np.interp(scores, calibration.scores, calibration.chances)


def _can_be_learnt(outcomes: Array) -> bool:
    return len(outcomes) >= 2 * FOLDS and bool(outcomes.min() < outcomes.max())


def _doubted(calibration: Calibration, y: Array, chance: Array, blocks: NDArray) -> Calibration:
    """With the doubt: what learning left open, and how far unseen rows are from what was learnt, beyond that."""
    basis = chance_basis(chance)
    scores, curvature = (y - chance)[:, None] * basis, (basis.T * (chance * (1 - chance))) @ basis
    found, off = doubt_of(scores, curvature, blocks), step(scores, curvature)
    missed = positive(np.outer(off, off) - found.learnt)
    return replace(calibration, doubt=both(found.learnt + missed), doubt_per_day=both(found.per_block))


def _isotonic(y: Array, score: Array) -> Calibration:
    """Pool adjacent violators (Ayer et al. 1955); a block of equal chances keeps its two ends as knots."""
    distinct, groups = np.unique(score, return_inverse=True)
    rows = np.bincount(groups).astype(np.float64)
    fitted = isotonic_regression(np.bincount(groups, weights=y) / rows, weights=rows).x
    changes = np.flatnonzero(np.diff(fitted))
    ends = np.unique([0, *changes, *(changes + 1), len(fitted) - 1])
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, KNOTS).round().astype(np.intp))] if len(ends) > KNOTS else ends
    return Calibration(scores=tuple(distinct[kept].tolist()), chances=tuple(np.clip(fitted[kept], 0.0, 1.0).tolist()))


def _ece(y: Array, score: Array) -> float:
    bins = np.clip((score * _ECE_BINS).astype(np.intp), 0, _ECE_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=score - y, minlength=_ECE_BINS)).sum() / len(y))
