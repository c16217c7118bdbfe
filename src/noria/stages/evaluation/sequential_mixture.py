"""Bounds and p-values of a difference that hold at all looks together: Robbins' normal mixture."""

from __future__ import annotations

from math import exp, log, sqrt


def confidence_sequence(d: float, s2: float, *, tau: float, alpha: float) -> tuple[float, float]:
    """Bound a difference at all looks together, by Robbins' normal mixture.

    Args:
        d: Estimated difference.
        s2: Its estimated variance now.
        tau: Standard deviation of the mixture: the size of difference it is sharpest at.
        alpha: Probability of ever missing the true difference.

    Source: Johari, Pekelis & Walsh 2022, "Always valid inference"; asymptotically for estimated
    variances, Waudby-Smith et al. 2024, "Time-uniform central limit theory".

    >>> low, high = confidence_sequence(0.02, 0.0001, tau=0.02, alpha=0.05)
    >>> round(low, 4), round(high, 4)
    (-0.0108, 0.0508)
    """
    if s2 <= 0:
        return d, d
    half = sqrt(s2 * (s2 + tau**2) / tau**2 * (2 * log(1 / alpha) + log((s2 + tau**2) / s2)))
    return d - half, d + half


def always_valid_p(d: float, s2: float, *, tau: float, null: float = 0.0) -> float:
    """Two-sided always-valid p-value of "the difference is `null`": below alpha when the sequence excludes it."""
    if s2 <= 0:
        return 1.0 if d == null else 0.0
    spread = s2 + tau**2
    evidence = 0.5 * log(s2 / spread) + tau**2 * (d - null) ** 2 / (2 * s2 * spread)
    return min(1.0, exp(-max(evidence, 0.0)))


def sharpest_tau(s2: float, *, n: int, at: int, alpha: float) -> float:
    """The mixture's width that makes the sequence narrowest when `at` rows have come.

    Args:
        s2: Variance of the difference with `n` rows.

    Source: Waudby-Smith et al. 2024, the choice of ρ for a wanted time. A width chosen for an
    early look costs little later: the bound grows with the root of a logarithm.
    """
    wanted = 2 * log(1 / alpha)
    return sqrt(s2 * n / max(at, 1) * (wanted + log(wanted + 1)))
