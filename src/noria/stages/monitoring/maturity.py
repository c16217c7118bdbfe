"""How outcomes come in: the share that has come by age, with the predictions that still wait counted rightly.

A prediction of yesterday without an outcome is no prediction whose outcome never comes. It is
censored at its age, and the curve is the one of Kaplan & Meier (1958): at each age, of those that
were old enough and still waited, how many got their outcome.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from noria.core.performance import MaturityCurve

POINTS = 200
"""Most steps that a stored curve keeps."""

FEWEST_OLD = 30
"""With fewer predictions of an age nothing is said about it."""

MATURE = 0.9
"""Share of the outcomes of a window that must have come before its value is taken as final."""

Array = NDArray[np.float64]


def maturity_curve(
    age_s: ArrayLike, came: ArrayLike, *, loop: str, at: datetime, level: float = 0.95, fewest: int = FEWEST_OLD
) -> MaturityCurve:
    """Draw the curve from predictions of every age.

    Args:
        age_s: Age at which the outcome came, or, where it has not, the age now; shape (predictions,).
        came: Whether it has come.
        fewest: Predictions that must have reached an age before anything is said about it.

    Returns:
        Without steps when no prediction is old enough to say anything.
    """
    ages, events = np.maximum(np.asarray(age_s, dtype=np.float64), 0.0), np.asarray(came, dtype=np.bool_)
    distinct, places = np.unique(ages, return_inverse=True)
    left = np.bincount(places, minlength=len(distinct))
    came_then = np.bincount(places, weights=events, minlength=len(distinct))
    waited = (len(ages) - np.cumsum(left) + left).astype(np.float64)
    enough = waited >= max(fewest, 1)
    horizon = float(distinct[enough][-1]) if enough.any() else 0.0
    steps = enough & (came_then > 0)
    share, low, high = _product_limit(came_then[steps].astype(np.float64), waited[steps], level)
    kept = _thinned(share)
    return MaturityCurve(
        loop=loop,
        at=at,
        age_s=tuple(distinct[steps][kept].tolist()),
        share=tuple(share[kept].tolist()),
        low=tuple(low[kept].tolist()),
        high=tuple(high[kept].tolist()),
        rows=len(ages),
        waiting=int((~events).sum()),
        horizon_s=horizon,
        median_s=_age_of(distinct[steps], share, 0.5),
        p90_s=_age_of(distinct[steps], share, 0.9),
    )


def share_by(curve: MaturityCurve, age_s: ArrayLike) -> Array:
    """The share of predictions whose outcome has come by each age, same shape; beyond the horizon as at it."""
    steps = np.concatenate([[0.0], curve.share])
    return np.asarray(steps[np.searchsorted(curve.age_s, np.asarray(age_s, dtype=np.float64), side="right")])


def maturity_of(curve: MaturityCurve, age_s: ArrayLike, *, delay_s: float = 0.0) -> float:
    """Of the outcomes that will come for predictions of these ages, the share that should have come by now.

    Args:
        age_s: Ages now, shape (predictions,).
        delay_s: How late outcomes are said to come. A curve that does not reach so far cannot tell.

    Returns:
        NaN when the curve cannot tell.
    """
    ages = np.asarray(age_s, dtype=np.float64)
    eventual = curve.share[-1] if curve.share else 0.0
    if not len(ages) or eventual <= 0 or curve.horizon_s < delay_s:
        return float("nan")
    return float(np.mean(share_by(curve, ages)) / eventual)


def _product_limit(came: Array, waited: Array, level: float) -> tuple[Array, Array, Array]:
    """Kaplan and Meier's shares that have come, with Greenwood's variance on the scale of log(−log S)."""
    stay = 1 - came / waited
    still = np.cumprod(stay)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(came / (waited * (waited - came)))
        reach = float(ndtri(0.5 + level / 2)) * np.sqrt(greenwood) / np.abs(np.log(still))
        above, below = still ** np.exp(-reach), still ** np.exp(reach)
    low, high = (np.asarray(1 - np.where(np.isfinite(ends), ends, still)) for ends in (above, below))
    return np.asarray(1 - still), low, high


def _thinned(share: Array) -> NDArray[np.intp]:
    """At most `POINTS` steps, evenly by how far the share has risen; the last one is kept."""
    if len(share) <= POINTS:
        return np.arange(len(share))
    levels = np.linspace(share[0], share[-1], POINTS)
    return np.unique(np.append(np.searchsorted(share, levels[:-1]), len(share) - 1))


def _age_of(ages: Array, share: Array, part: float) -> float:
    if not len(share) or share[-1] <= 0:
        return float("nan")
    return float(ages[np.searchsorted(share, part * share[-1] - 1e-12)])
