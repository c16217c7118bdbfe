"""Estimates a metric of many classes before outcomes come: one score per class, each calibrated against the rest.

The expected mass of each row in each class is known, and with it every metric that is made of such
masses; a macro average takes the classes one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.errors import NotFound
from noria.core.schema import Estimate
from noria.core.watching import Calibration
from noria.stages.monitoring.calibration import calibrate, chances
from noria.stages.monitoring.doubt import moved
from noria.stages.monitoring.estimated import spread_around

MOST_ROWS = 4_000
"""Rows that resamples are drawn from; of more, these stand for all, and the interval is made narrower by as much."""

_SMALLEST = float(np.finfo(np.float64).eps)

Array = NDArray[np.float64]


def calibrate_classes(y: ArrayLike, score: ArrayLike, blocks: ArrayLike | None = None) -> tuple[Calibration, ...]:
    """Learn what chance each class's score stands for.

    Args:
        y: Class codes, shape (rows,), in order of time.
        score: Probabilities, shape (rows, classes).
        blocks: As for `calibrate`.
    """
    outcomes, scores = np.asarray(y), np.asarray(score, dtype=np.float64)
    return tuple(calibrate((outcomes == code).astype(np.float64), scores[:, code], blocks) for code in range(scores.shape[1]))


def class_chances(score: Array, calibrations: Sequence[Calibration]) -> Array:
    """What the scores stand for, shape (rows, classes); each row sums to 1."""
    return _whole(np.column_stack([chances(score[:, code], one) for code, one in enumerate(calibrations)]))


def estimate_classes(
    metric: str,
    scores: ArrayLike,
    calibrations: Sequence[Calibration],
    *,
    doubts: Sequence[Array] = (),
    level: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """Estimate a metric of rows whose outcomes are not known.

    Args:
        scores: Probabilities, shape (rows, classes); rows with one that is no number are left out.
        calibrations: One per class.
        doubts: One per class, as for `estimate`; none = the calibrations are known.

    Raises:
        NotFound: the metric cannot be computed from expected masses.
    """
    formula = CLASS_FORMULAS.get(metric)
    if formula is None:
        raise NotFound(f"{metric!r} cannot be estimated without outcomes", fix=f"there are {', '.join(CLASS_FORMULAS)}")
    known = np.asarray(scores, dtype=np.float64)
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return Estimate(value=nan, low=nan, high=nan, n=0, level=level)
    value = _measured(formula, class_chances(known, calibrations), _table(known))
    random = np.random.default_rng(seed)
    some = known if len(known) <= MOST_ROWS else known[random.choice(len(known), MOST_ROWS, replace=False)]
    table, likely = _table(some), class_chances(some, calibrations)
    centre, narrower = _measured(formula, likely, table), sqrt(len(some) / len(known))
    drawn = [_measured(formula, mass, table) for mass in _resampled(likely, doubts, resamples, random)]
    return spread_around(value, (np.array(drawn) - centre) * (narrower if not len(doubts) else 1.0), len(known), level)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """What the formulas need of the scores, computed once.

    Attributes:
        answer: The likeliest class, shape (rows,).
        loss: −log of each class's score, shape (rows, classes).
        groups: Per class, which of its distinct scores a row has, ascending, shape (rows, classes).
    """

    answer: NDArray[np.intp]
    loss: Array
    groups: NDArray[np.intp]


Formula = Callable[[Array, _Table], float]
"""From each row's mass in each class, shape (rows, classes), to the metric."""


def _table(score: Array) -> _Table:
    return _Table(
        answer=score.argmax(axis=1),
        loss=-np.log(np.clip(score, _SMALLEST, 1.0)),
        groups=np.column_stack([np.unique(column, return_inverse=True)[1] for column in score.T]),
    )


def _measured(formula: Formula, mass: Array, table: _Table) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return formula(mass, table)


def _resampled(likely: Array, doubts: Sequence[Array], resamples: int, random: np.random.Generator) -> Iterator[Array]:
    """Rows drawn with replacement, each with an outcome drawn from its chances, as masses of whole rows."""
    rows, classes = likely.shape
    for _ in range(resamples):
        chance = likely
        if len(doubts):
            chance = _whole(np.column_stack([moved(likely[:, code], doubts[code], random, 1)[0] for code in range(classes)]))
        picked = random.integers(rows, size=rows)
        upto = np.asarray(np.cumsum(chance, axis=1))[picked, :-1]
        outcome = (random.random((rows, 1)) >= upto).sum(axis=1)
        yield np.bincount(picked * classes + outcome, minlength=rows * classes).reshape(rows, classes).astype(np.float64)


def _whole(chance: Array) -> Array:
    sums = np.asarray(chance.sum(axis=1, keepdims=True))
    return np.asarray(np.where(sums > 0, chance / np.where(sums > 0, sums, 1.0), 1.0 / chance.shape[1]))


def _accuracy(mass: Array, table: _Table) -> float:
    return float(np.take_along_axis(mass, table.answer[:, None], axis=1).sum() / mass.sum())


def _log_loss(mass: Array, table: _Table) -> float:
    return float((mass * table.loss).sum() / mass.sum())


def _macro_f1(mass: Array, table: _Table) -> float:
    classes = mass.shape[1]
    hits = np.bincount(table.answer, weights=np.take_along_axis(mass, table.answer[:, None], axis=1)[:, 0], minlength=classes)
    both = mass.sum(axis=0) + np.bincount(table.answer, weights=mass.sum(axis=1), minlength=classes)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def _roc_auc(mass: Array, table: _Table) -> float:
    found, rows = [], mass.sum(axis=1)
    for code in range(mass.shape[1]):
        yes = np.bincount(table.groups[:, code], weights=mass[:, code])
        no = np.bincount(table.groups[:, code], weights=rows - mass[:, code])
        pairs = yes.sum() * no.sum()
        if pairs > 0:
            found.append(float(yes @ (np.cumsum(no) - no / 2) / pairs))
    return float(np.mean(found)) if len(found) > 1 else nan


CLASS_FORMULAS: dict[str, Formula] = {"roc_auc": _roc_auc, "accuracy": _accuracy, "log_loss": _log_loss, "macro_f1": _macro_f1}
"""Metrics of a multi-class task that expected masses give."""
