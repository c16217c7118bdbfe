"""What a policy would have earned, from what another one did: the log of a split or a bandit, weighed.

Sources: Horvitz & Thompson 1952 (inverse propensities); Swaminathan & Joachims 2015 (self-normalised);
Dudík, Langford & Li 2011 (doubly robust); Kish 1965 (effective sample size).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.errors import DataInvalid
from noria.core.schema import Estimate
from noria.stages.evaluation.intervals import critical, spread_of
from noria.stages.evaluation.measured import Array, Codes


class Method(StrEnum):
    """How the log is weighed: unbiased, steadier with a small bias, or unbiased and steadier where rewards are known in part."""

    IPS = "ips"
    SNIPS = "snips"
    DR = "dr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a policy is worth per request.

    Attributes:
        effective: Rows of its own that the weighed log is worth; an estimate on few of them is worth little.
    """

    value: Estimate
    effective: float
    method: Method


def worth(
    action: ArrayLike,
    reward: ArrayLike,
    propensity: ArrayLike,
    policy: ArrayLike,
    *,
    expected: ArrayLike | None = None,
    method: Method = Method.DR,
    clusters: NDArray | None = None,
    level: float = 0.95,
) -> Worth:
    """Estimate the mean reward per request had `policy` chosen.

    Args:
        action: What was chosen, codes from 0, shape (rows,).
        reward: What came of it, shape (rows,).
        propensity: Chance with which each action was chosen then, shape (rows, actions), from the log.
        policy: Chance with which the policy would choose each, shape (rows, actions) or (actions,).
        expected: For `DR`: what each action would probably earn on each row, shape (rows, actions);
            each action's mean in the log when left out. Learn it on other rows than these.
        clusters: Shape (rows,), such as the key that was split: rows of one are not independent.

    Raises:
        DataInvalid: an action that the policy may choose had no chance in the log, or shapes do not fit.
    """
    chosen, earned = np.asarray(action, dtype=np.intp), np.asarray(reward, dtype=np.float64)
    chances = np.asarray(propensity, dtype=np.float64)
    if chances.ndim != 2 or len(chances) != len(chosen) or len(earned) != len(chosen) or not len(chosen):
        raise DataInvalid(f"{len(chosen)} actions, {len(earned)} rewards and propensities of shape {chances.shape} do not fit together")
    wanted = np.broadcast_to(np.asarray(policy, dtype=np.float64), chances.shape)
    if bool(((wanted > 0) & (chances <= 0)).any()):
        raise DataInvalid("the policy would choose what the log never could", fix="keep a floor under every arm's share")
    weight = _of(wanted, chosen) / _of(chances, chosen)
    value, influence = _weighed(method, chosen, earned, weight, wanted, expected)
    spread = spread_of(influence, None, clusters)
    reach = critical(level, spread.freedom) * spread.se
    effective = float(weight.sum() ** 2 / np.square(weight).sum()) if weight.any() else 0.0
    known = Estimate(value=value, low=value - reach, high=value + reach, n=len(earned), se=spread.se, level=level)
    return Worth(value=known, effective=effective, method=method)


def _weighed(method: Method, action: Codes, reward: Array, weight: Array, policy: Array, expected: ArrayLike | None) -> tuple[float, Array]:
    """The value, and each row's influence on it."""
    n = len(reward)
    if method is Method.IPS:
        terms = weight * reward
    elif method is Method.SNIPS:
        total = weight.sum()
        value = float(weight @ reward / total) if total else float("nan")
        return value, weight * (reward - value) / total if total else np.full(n, np.nan)
    else:
        model = _means(action, reward, policy.shape[1], n) if expected is None else np.asarray(expected, dtype=np.float64)
        terms = (policy * model).sum(axis=1) + weight * (reward - _of(model, action))
    value = float(terms.mean())
    return value, (terms - value) / n


def _means(action: Codes, reward: Array, actions: int, rows: int) -> Array:
    counts = np.bincount(action, minlength=actions)
    sums = np.bincount(action, weights=reward, minlength=actions)
    return np.broadcast_to(np.where(counts > 0, sums / np.maximum(counts, 1), reward.mean()), (rows, actions))


def _of(table: Array, action: Codes) -> Array:
    """Each row's entry for its action, shape (rows,)."""
    return np.asarray(table[np.arange(len(action)), action])
