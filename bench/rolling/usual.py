"""What teams do without sequential tests: a t-test that is looked at again and again, and "twice the errors"."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import ttest_ind

from noria.loop.evidence import Evidence

FEWEST = 100


def peeked_t_test(evidence: Evidence) -> bool:
    """Whether any of log loss, latency and errors is worse between the arms, each at p < 0.05, at this look."""
    told = evidence.outcomes.filter(pl.col("error") == "")
    losses = [_loss(told.filter(pl.col("role") == role)) for role in ("champion", "challenger")]
    arms = [evidence.rows.filter(pl.col("role") == role) for role in ("champion", "challenger")]
    latency = [np.log(arm["latency_us"].to_numpy()) for arm in arms]
    errors = [(arm["error"] != "").to_numpy().astype(float) for arm in arms]
    return any(_worse(*pair) for pair in (losses, latency, errors))


def twice_the_errors(evidence: Evidence) -> bool:
    """Whether the challenger's error rate is more than twice the champion's, at this look."""
    rates = []
    for role in ("champion", "challenger"):
        arm = evidence.rows.filter(pl.col("role") == role)
        if arm.height < FEWEST:
            return False
        rates.append(arm.filter(pl.col("error") != "").height / arm.height)
    return rates[1] > 2 * rates[0]


def _worse(one: np.ndarray, other: np.ndarray) -> bool:
    if min(len(one), len(other)) < FEWEST or (one.std() == 0 and other.std() == 0):
        return False
    return bool(ttest_ind(other, one, equal_var=False).pvalue < 0.05 and other.mean() > one.mean())


def _loss(rows: pl.DataFrame) -> np.ndarray:
    y, p = rows["outcome"].to_numpy(), np.clip(rows["answer"].to_numpy(), 1e-6, 1 - 1e-6)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))
