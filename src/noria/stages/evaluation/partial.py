"""How answers move with one feature: partial dependence (Friedman 2001), row by row (Goldstein et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from noria.core.explaining import PartialDependence
from noria.core.schema import Field, Kind
from noria.packaging.reasons import raw
from noria.stages.evaluation.measured import Array

ROWS, SINGLE, POINTS = 500, 30, 21
MOST_TEXTS = 15


def partial(
    ask: Callable[[Array], Array], X: Array, features: Sequence[Field], place: int, *, rows: int = ROWS, subject: str = "", seed: int = 0
) -> PartialDependence:
    """Put each of some values of one feature into all rows, and ask.

    Args:
        ask: Rows, shape (n, features), to answers, shape (n,).
        X: Real rows as the model's matrix; at most `rows` of them are used, the first `SINGLE` one by one too.
        place: The feature's column in X.

    Where features go together, some of these rows are such as never occur: `share` says where real rows are.
    """
    used = X if len(X) <= rows else X[np.sort(np.random.default_rng(seed).choice(len(X), rows, replace=False))]
    grid, share = grid_of(X[:, place], features[place])
    tried = np.repeat(used[None], len(grid), axis=0)
    tried[:, :, place] = grid[:, None]
    answers = ask(tried.reshape(-1, X.shape[1])).reshape(len(grid), len(used))
    return PartialDependence(
        feature=features[place].name,
        grid=tuple(raw(features[place], value) for value in grid),
        mean=tuple(float(value) for value in answers.mean(axis=1)),
        single=tuple(tuple(float(value) for value in line) for line in answers[:, :SINGLE].T),
        share=tuple(float(value) for value in share),
        subject=subject,
    )


def grid_of(column: Array, feature: Field) -> tuple[Array, Array]:
    """Values to try, ascending, and the share of rows at or nearest to each."""
    known = column[np.isfinite(column)]
    if not len(known):
        return np.array([np.nan]), np.ones(1)
    distinct, counts = np.unique(known, return_counts=True)
    if feature.kind in (Kind.TEXT, Kind.BOOL):
        grid = np.sort(distinct[np.argsort(-counts, kind="stable")[:MOST_TEXTS]])
    elif len(distinct) <= POINTS:
        grid = distinct
    else:
        grid = np.unique(np.quantile(known, np.linspace(0.01, 0.99, POINTS), method="nearest"))
    middles = (grid[1:] + grid[:-1]) / 2
    share = np.bincount(np.searchsorted(middles, known, side="right"), minlength=len(grid)) / len(column)
    return grid, share
