"""How far new rows are from the ones that something was learnt on: the light above an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.stages.monitoring.bins import categories_of, codes_of, numbers_of
from noria.stages.monitoring.logistic import auc as auc_of
from noria.stages.monitoring.logistic import fit

MOST_ROWS = 1_000
"""Rows of either side that the classifier looks at: enough for a light, and about ten milliseconds."""

GREEN, AMBER = (0.9, 0.1), (0.97, 0.02)
"""Largest domain AUC and smallest effective share of the reference that each light allows."""

_CUT = 5.0

Array = NDArray[np.float64]


class Light(StrEnum):
    """Whether an estimate may be trusted, trusted a little, or not made."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How well new rows are covered by reference rows.

    Attributes:
        auc: How well a classifier tells the two apart on rows it did not learn from; 0.5 = not at all.
        ess_share: Effective sample size of the reference rows, weighted to look like the new ones, as a share of them.
        weights: How much more often each reference row would be met among the new ones, 1 on average, in the order
            of the sample; empty where only some of its rows were looked at.
    """

    light: Light
    auc: float
    ess_share: float
    weights: tuple[float, ...] = ()


def trust(reference_sample: pl.DataFrame, chunk: pl.DataFrame, *, seed: int = 0) -> Trust:
    """Try to tell the chunk from the reference by a cross-fitted logistic regression.

    Args:
        reference_sample: One row per reference row, one column per feature.
        chunk: The same features of the new rows; a column that is not there is all missing.

    Returns:
        Red with NaN numbers when either has no rows.
    """
    if reference_sample.is_empty() or chunk.is_empty():
        return Trust(light=Light.RED, auc=float("nan"), ess_share=float("nan"))
    old, new = (frame if frame.height <= MOST_ROWS else frame.sample(MOST_ROWS, seed=seed) for frame in (reference_sample, chunk))
    X = np.column_stack(
        [np.ones(old.height + new.height), *(part for name in old.columns for part in _parts(old[name], _column(new, name)))]
    )
    is_new = np.repeat([0.0, 1.0], [old.height, new.height])
    half = np.random.default_rng(seed).permutation(len(is_new)) % 2 == 0
    logit, aucs = np.empty(len(is_new)), []
    for learn, judge in ((half, ~half), (~half, half)):
        logit[judge] = X[judge] @ fit(X[learn], is_new[learn])
        aucs.append(auc_of(is_new[judge], logit[judge]))
    auc, ratio = float(np.mean(aucs)), np.exp(logit[: old.height] - logit[: old.height].max())
    share = _effective_share(ratio)
    weights = tuple((ratio / ratio.mean()).tolist()) if old.height == reference_sample.height else ()
    return Trust(light=_light(auc, share), auc=auc, ess_share=share, weights=weights)


def _light(auc: float, share: float) -> Light:
    for light, (most, least) in ((Light.GREEN, GREEN), (Light.AMBER, AMBER)):
        if auc <= most and share >= least:
            return light
    return Light.RED


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    return frame[name] if name in frame.columns else pl.Series(name, [None] * frame.height, dtype=pl.Float64)


def _parts(old: pl.Series, new: pl.Series) -> list[Array]:
    """Columns of the design: a text is one-hot; a number its standard score, that squared, and whether it is missing."""
    if not (old.dtype.is_numeric() or old.dtype == pl.Boolean):
        known = categories_of(old)
        codes = np.concatenate([codes_of(side.cast(pl.String), edges=(), categories=known) for side in (old, new)])
        return [(codes == code).astype(np.float64) for code in np.unique(codes)]
    before, after = numbers_of(old), numbers_of(new)
    seen = before[np.isfinite(before)]
    both = np.concatenate([before, after])
    missing = ~np.isfinite(both)
    centre, spread = (seen.mean(), seen.std()) if len(seen) else (0.0, 1.0)
    scored = np.clip((np.where(missing, centre, both) - centre) / (spread if spread > 0 else 1.0), -_CUT, _CUT)
    return [scored, scored**2 - 1, *([missing.astype(np.float64)] if missing.any() else [])]


def _effective_share(ratio: Array) -> float:
    """(Σr)² / (n Σr²) with density ratios r (Kish 1965)."""
    return float(ratio.sum() ** 2 / (len(ratio) * np.square(ratio).sum()))
