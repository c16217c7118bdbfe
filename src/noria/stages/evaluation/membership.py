"""Which partitions' own models are shown to be better than the one for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from noria.stages.evaluation.intervals import spread_of
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.scorecards import time_blocks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rivals:
    """What a partition's own model and the parent lose on rows that neither was trained on.

    Attributes:
        member, parent: Losses, lower is better, shape (rows,).
        times: Event times of the rows, datetime64[ms], shape (rows,).
    """

    member: Array
    parent: Array
    times: NDArray[np.datetime64]


def joined(parts: Sequence[Rivals]) -> Rivals:
    """Several windows as one."""
    return Rivals(
        member=np.concatenate([part.member for part in parts]),
        parent=np.concatenate([part.parent for part in parts]),
        times=np.concatenate([part.times for part in parts]),
    )


def shown_better(rivals: Mapping[str, Rivals], *, keep: float = 0.0, fdr: float = 0.1) -> tuple[str, ...]:
    """The partitions whose own model is shown to spare more than the share `keep` of the parent's loss.

    A paired one-sided t test in each, over blocks of time where there are enough, and of all of
    them those whose expected share of errors is `fdr` at most (Benjamini & Hochberg 1995). The
    parent is common to all, which leaves tests positively dependent and that bound valid
    (Benjamini & Yekutieli 2001).
    """
    names = sorted(rivals)
    if not names:
        return ()
    q = false_discovery_control([chance(rivals[name], keep=keep) for name in names])
    return tuple(name for name, share in zip(names, q, strict=True) if share <= fdr)


def chance(of: Rivals, *, keep: float = 0.0) -> float:
    """One-sided p-value of "the member spares no more than `keep`"; 1 where there is too little to tell by."""
    gains = (1.0 - keep) * of.parent - of.member
    if not len(gains) or not np.isfinite(gains).all():
        return 1.0
    mean = float(gains.mean())
    spread = spread_of((gains - mean) / len(gains), None, time_blocks(of.times))
    if spread.freedom < 1 or math.isnan(spread.se):
        return 1.0
    if spread.se == 0.0:
        return 0.0 if mean > 0.0 else 1.0
    return float(student.sf(mean / spread.se, spread.freedom))
