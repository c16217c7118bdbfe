"""Tells two groups of rows apart by a cross-fitted classifier, and names the features by which it does.

The classifier is a logistic regression over standard scores, their squares, texts, what is missing,
and products of pairs: the ten pairs whose relation differs most in the rows that it learns from. So
it sees a changed relation of two features whose own distributions stayed as they were, with more
power than boosted trees at a tenth of their cost (see docs/monitoring.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from noria.core.joint import ChunkLimit, Coordinate
from noria.stages.monitoring.bins import codes_of, missing_of
from noria.stages.monitoring.chunk_limits import chunk_limit
from noria.stages.monitoring.coordinates import placed
from noria.stages.monitoring.logistic import auc as auc_of
from noria.stages.monitoring.logistic import fit, one_thread

FLOOR = 0.55
"""AUC below which a difference is too small to matter, however sure it is."""

FOLDS = 5
PAIRS = 10
"""Products of two features that the classifier may use."""

MOST_PAIRED = 300
"""Columns among which pairs are looked for."""

TEXTS = 15
"""Most frequent texts of a feature with a column each."""

SPREAD = 1.4
"""How much more a cross-fitted AUC varies than one of fixed scores: folds learn from each other's rows (measured)."""

TELLING = 0.9
"""Usual AUC of a chunk of the reference above which the classifier has nothing to say."""

_EDGE = 1e-4
_CUT = 5.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Columns of a classifier, and which feature each belongs to.

    Attributes:
        X: Shape (rows, columns): scores, texts, what is missing.
        names: The feature of each column.
        numbers: Which columns are scores of numbers, whose squares are looked at too.
    """

    X: Array
    names: tuple[str, ...]
    numbers: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """What tells the groups apart: a feature, or the relation of two.

    Attributes:
        share: Of all that tells them apart, 0 to 1.
    """

    features: tuple[str, ...]
    share: float

    def __str__(self) -> str:
        return " with ".join(self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well two groups of rows can be told apart.

    Attributes:
        auc: Mean over folds of the AUC on rows that were not learnt from; 0.5 = not at all.
        chance: The AUC that equal groups stay below: 0.5 and three deviations.
        culprits: By what, largest share first.
    """

    auc: float
    chance: float
    culprits: tuple[Culprit, ...]


def design(frame: pl.DataFrame, coordinates: Sequence[Coordinate]) -> Design:
    """The columns of a frame's rows; a feature that is not there is missing throughout."""
    columns: list[Array] = []
    names: list[str] = []
    numbers: list[bool] = []
    for one in coordinates:
        values = frame[one.name] if one.name in frame.columns else pl.Series(one.name, [None] * frame.height, dtype=pl.String)
        made = _of_text(values, one) if one.surprises else [np.clip(placed(values, one), -_CUT, _CUT)]
        made.append(missing_of(values).astype(np.float64))
        columns += made
        names += [one.name] * len(made)
        numbers += [not one.surprises] + [False] * (len(made) - 1)
    X = np.column_stack(columns) if columns else np.zeros((frame.height, 0))
    return Design(X=X, names=tuple(names), numbers=np.array(numbers, dtype=np.bool_))


def of_matrix(X: Array, names: Sequence[str] | None = None) -> Design:
    """Standardised numbers, shape (rows, columns), as a design."""
    named = tuple(names) if names is not None else tuple(f"component {place + 1}" for place in range(X.shape[1]))
    return Design(X=np.clip(X, -_CUT, _CUT), names=named, numbers=np.ones(X.shape[1], dtype=np.bool_))


def chance_auc(n: int, m: int) -> float:
    """The AUC that two groups of `n` and `m` rows of one world stay below, as surely as three deviations."""
    return 0.5 + 3 * SPREAD * sqrt((n + m + 1) / (12 * n * m)) if n and m else 1.0


def calibrated(told: Sequence[Separation]) -> ChunkLimit:
    """How far chunks of the reference are told from the rest of it beyond what chance does to so many rows.

    Found on the probit scale, so that it never leaves the unit interval. Chunks here may have other
    numbers of rows than the ones that a monitor will see, so chance is taken out (in quadrature)
    and put in again by `limit`. Where usual chunks are told from all others nearly at once, as days
    of weather are, the limit is 1: a classifier has nothing to say there.

    Args:
        told: Of each chunk against the rest, in order of time.
    """
    aucs = np.clip([one.auc for one in told], _EDGE, 1 - _EDGE)
    found = chunk_limit(ndtri(aucs))
    if not found.chunks:
        return found
    usual, most = float(ndtr(found.usual)), float(ndtr(found.limit))
    chance = float(np.mean([one.chance for one in told])) - 0.5
    beyond = 0.5 + sqrt(max((most - 0.5) ** 2 - chance**2, 0.0))
    return replace(found, usual=usual, spread=float(np.std(aucs, ddof=1)), limit=beyond if usual <= TELLING else 1.0)


def limit(n: int, m: int, known: ChunkLimit) -> float:
    """The AUC that two usual groups of so many rows stay below: `FLOOR`, or chance and what chunks of the reference show together."""
    beyond = max(known.known - 0.5, 0.0)
    return min(1.0, max(FLOOR, 0.5 + sqrt((chance_auc(n, m) - 0.5) ** 2 + beyond**2)))


def separate(old: Design, new: Design, *, pairs: int = PAIRS, folds: int = FOLDS, seed: int = 0) -> Separation:
    """Try to tell `new` from `old`.

    Args:
        old, new: Designs with the same columns.
        pairs: Products of two features that may be used; 0 = each feature by itself.

    Returns:
        With NaN when a group has fewer rows than folds.
    """
    n, m = len(old.X), len(new.X)
    if min(n, m) < folds:
        return Separation(auc=float("nan"), chance=1.0, culprits=())
    base, squared = np.vstack([old.X, new.X]), old.numbers
    moving = base.min(axis=0) < base.max(axis=0)
    base, names = base[:, moving], [name for name, moves in zip(old.names, moving, strict=True) if moves]
    squares, square_names = base[:, squared[moving]], [name for name, is_number in zip(names, squared[moving], strict=True) if is_number]
    X = np.column_stack([np.ones(n + m), base, np.square(squares) - 1])
    is_new = np.repeat([0.0, 1.0], [n, m])
    fold = np.concatenate([np.random.default_rng(seed + side).permutation(rows) % folds for side, rows in enumerate((n, m))])
    aucs, found = [], defaultdict[tuple[str, ...], float](float)
    for judged in range(folds):
        learn, judge = fold != judged, fold == judged
        left, right = _related(base[learn], is_new[learn], names, pairs)
        whole = np.column_stack([X, base[:, left] * base[:, right]])
        with one_thread():
            weights = fit(whole[learn], is_new[learn])
        aucs.append(auc_of(is_new[judge], whole[judge] @ weights))
        told = weights * (whole[judge & (is_new > 0)].mean(axis=0) - whole[judge & (is_new == 0)].mean(axis=0))
        owners = [(), *((name,) for name in names), *((name,) for name in square_names)]
        owners += [tuple(sorted((names[i], names[j]))) for i, j in zip(left, right, strict=True)]
        for owner, part in zip(owners, told, strict=True):
            found[owner] += float(part)
    return Separation(auc=float(np.mean(aucs)), chance=chance_auc(n, m), culprits=_ranked(found))


def _of_text(values: pl.Series, coordinate: Coordinate) -> list[Array]:
    """A column for each of the most frequent texts, and one for all that were never seen."""
    if not coordinate.texts:
        return [(~missing_of(values)).astype(np.float64)]
    codes = codes_of(values, edges=(), categories=coordinate.texts)
    frequent = np.argsort(coordinate.surprises[:-1], kind="stable")[:TEXTS]
    return [(codes == code).astype(np.float64) for code in (*frequent, len(coordinate.texts))]


def _related(base: Array, is_new: Array, names: Sequence[str], pairs: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of columns, of two features, whose relation differs most between the two groups."""
    width = min(base.shape[1], MOST_PAIRED)
    old, new = base[is_new == 0, :width], base[is_new > 0, :width]
    spread = np.maximum(old.std(axis=0), 0.1)
    difference = np.abs(np.cov(new.T).reshape(width, width) - np.cov(old.T).reshape(width, width)) / np.outer(spread, spread)
    left, right = np.triu_indices(width, 1)
    owner = np.unique(np.asarray(names, dtype=object)[:width].astype(str), return_inverse=True)[1]
    apart = owner[left] != owner[right]
    left, right = left[apart], right[apart]
    most = np.argsort(-difference[left, right], kind="stable")[:pairs]
    return left[most], right[most]


def _ranked(found: dict[tuple[str, ...], float]) -> tuple[Culprit, ...]:
    """Parts of the distance between both groups' mean scores, which add up to it; those that pull apart, largest first."""
    apart = {owner: part for owner, part in found.items() if owner and part > 0}
    total = sum(apart.values())
    ordered = sorted(apart, key=lambda owner: -apart[owner])
    return tuple(Culprit(features=owner, share=apart[owner] / total) for owner in ordered)
