"""How numbers go together: Spearman's ρ of each pair, before and now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from noria.core.checking import PairCheck, Verdict

FAMILY = 0.01
"""Chance that any pair is found to go together differently when none does."""

FLOOR = 0.2
"""A change of ρ that is too small to matter."""

MOST_COLUMNS = 40
MOST_ROWS = 20_000
FEWEST_BLOCKS = 10
FEWEST_ROWS = 50
_FIELLER = 1.06
"""Variance of Fisher's z of Spearman's ρ, times n − 3 (Fieller, Hartley & Pearson 1957)."""

Ranks = NDArray[np.float64]


def pairs_of(
    before: pl.DataFrame, now: pl.DataFrame, names: Sequence[str], *, blocks: tuple[NDArray, NDArray] | None = None, seed: int = 0
) -> tuple[PairCheck, ...]:
    """Check every pair of some numeric columns, the most changed first.

    Rows are taken as independent (Fisher's z, Bonferroni over the pairs), unless `blocks` names the block of
    time of each row: then ρ is taken block by block, and the means over blocks are held against each
    other (Welch's t), since rows of one day have more in common than chance.

    Args:
        names: At most `MOST_COLUMNS` are looked at, in their order.
    """
    varied = [name for name in names if all(side[name].min() != side[name].max() for side in (before, now))][:MOST_COLUMNS]
    if len(varied) < 2:
        return ()
    count = len(varied) * (len(varied) - 1) // 2
    sides = [_sample(side, varied, block, seed) for side, block in zip((before, now), blocks or (None, None), strict=True)]
    rho, limits = _held([values for values, _ in sides], [_by_block(*side) for side in sides], level=1 - FAMILY / (2 * count))
    found = [
        _pair(varied[i], varied[j], float(rho[0][i, j]), float(rho[1][i, j]), float(limits[i, j]))
        for i, j in combinations(range(len(varied)), 2)
    ]
    known = [pair for pair in found if pair.before == pair.before and pair.now == pair.now]
    return tuple(sorted(known, key=lambda pair: -abs(pair.now - pair.before) / max(pair.limit, 1e-9)))


def _pair(first: str, second: str, before: float, now: float, chance: float) -> PairCheck:
    change = abs(now - before)
    limit = max(FLOOR, chance) if chance == chance else float("nan")
    verdict = (
        Verdict.NOT_ENOUGH if limit != limit else Verdict.FOUND if change > limit else Verdict.SMALL if change > chance else Verdict.QUIET
    )
    return PairCheck(first=first, second=second, before=before, now=now, limit=limit, verdict=verdict)


def _sample(frame: pl.DataFrame, names: Sequence[str], block: NDArray | None, seed: int) -> tuple[Ranks, NDArray | None]:
    """Ranks of each column (missing ones in the middle), shape (rows, columns), and the rows' blocks."""
    if frame.height > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(frame.height, MOST_ROWS, replace=False))
        frame, block = frame[chosen], None if block is None else block[chosen]
    ranks = frame.select(pl.col(name).cast(pl.Float64).rank() for name in names)
    return ranks.fill_null(strategy="mean").to_numpy(), block


def _correlations(values: Ranks) -> Ranks:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_2d(np.corrcoef(values, rowvar=False))


def _held(sides: Sequence[Ranks], alike: Sequence[Ranks | None], *, level: float) -> tuple[list[Ranks], Ranks]:
    """ρ before and now, and the change that chance alone stays within; NaN where it cannot be told."""
    known = [one for one in alike if one is not None and len(one) >= FEWEST_BLOCKS]
    if len(known) == len(sides):
        return [one.mean(axis=0) for one in known], _welch(known, level)
    rho = [_correlations(values) for values in sides]
    if any(len(values) < FEWEST_ROWS for values in sides):
        return rho, np.full_like(rho[0], np.nan)
    spread = np.sqrt(sum(_FIELLER / (len(values) - 3) for values in sides))
    middle = np.arctanh(np.clip((rho[0] + rho[1]) / 2, -0.999, 0.999))
    reach = ndtri(level) * spread / 2
    return rho, np.asarray(np.tanh(middle + reach) - np.tanh(middle - reach))


def _by_block(values: Ranks, block: NDArray | None) -> Ranks | None:
    """ρ within each block of enough rows, shape (blocks, columns, columns)."""
    if block is None:
        return None
    order = np.argsort(block, kind="stable")
    cuts = np.flatnonzero(np.diff(block[order])) + 1
    parts = [part for part in np.split(values[order], cuts) if len(part) >= FEWEST_ROWS]
    return np.array([np.nan_to_num(_correlations(part)) for part in parts]) if parts else None


def _welch(alike: Sequence[Ranks], level: float) -> Ranks:
    variances = [one.var(axis=0, ddof=1) / len(one) for one in alike]
    both = sum(variances)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = both**2 / sum(one**2 / (len(side) - 1) for one, side in zip(variances, alike, strict=True))
    return np.asarray(stdtrit(np.nan_to_num(freedom, nan=1.0), level) * np.sqrt(both))
