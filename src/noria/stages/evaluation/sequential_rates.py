"""Exact, always-valid statements about counted events: two failure rates, and a traffic split."""

from __future__ import annotations

from math import exp, inf, log

from scipy.optimize import brentq
from scipy.special import betaln

_JEFFREYS = 0.5
_SPLIT_CONCENTRATION = 500.0
"""Pseudo-requests of the split's prior: tuned to deviations of a few per cent of the share."""


def rate_sequence(events: int, n: int, *, alpha: float) -> tuple[float, float]:
    """Bound a rate at any moment, for all moments at once, with probability 1 − alpha.

    The likelihood ratio of a Beta(½, ½) mixture against a fixed rate p is a martingale under p,
    so Ville's inequality keeps the true rate among those whose ratio stays below 1 / alpha
    (Robbins 1970). It is exact at any n and any rate, with no events too.

    >>> low, high = rate_sequence(0, 1_000, alpha=0.05)
    >>> low, round(high, 4)
    (0.0, 0.007)
    """
    if n == 0:
        return 0.0, 1.0
    limit, seen = log(1 / alpha), events / n

    def excess(rate: float) -> float:
        return log_evidence(events, n, rate) - limit

    low = 0.0 if events == 0 else float(brentq(excess, 1e-300, seen, xtol=1e-12))
    high = 1.0 if events == n else float(brentq(excess, seen, 1 - 1e-16, xtol=1e-12))
    return low, high


def log_evidence(events: int, n: int, rate: float) -> float:
    """Log of the mixture's likelihood over that of `rate`; infinite where `rate` cannot give the events."""
    if (rate <= 0 and events) or (rate >= 1 and events < n):
        return inf
    chance = (events * log(rate) if events else 0.0) + ((n - events) * log(1 - rate) if n - events else 0.0)
    return float(betaln(_JEFFREYS + events, _JEFFREYS + n - events) - betaln(_JEFFREYS, _JEFFREYS)) - chance


def higher_rate_p(*, champion_events: int, champion_n: int, challenger_events: int, challenger_n: int) -> float:
    """Always-valid p-value of "the challenger's rate is not higher".

    The smallest alpha at which the two rates' sequences, at alpha / 2 each, no longer touch.
    """
    if champion_n == 0 or challenger_n == 0:
        return 1.0
    champion, challenger = champion_events / champion_n, challenger_events / challenger_n
    if challenger <= champion:
        return 1.0

    def gap(rate: float) -> float:
        return log_evidence(champion_events, champion_n, rate) - log_evidence(challenger_events, challenger_n, rate)

    left, right = max(champion, 1e-300), min(challenger, 1 - 1e-16)
    if gap(left) >= 0 or gap(right) <= 0:
        return 1.0
    touch = float(brentq(gap, left, right, xtol=1e-14))
    return min(1.0, 2 * exp(-max(log_evidence(challenger_events, challenger_n, touch), 0.0)))


def split_p(challenger_n: int, champion_n: int, *, share: float) -> float:
    """Always-valid p-value of "requests fall on the challenger with probability `share`"."""
    a, b = _SPLIT_CONCENTRATION * share, _SPLIT_CONCENTRATION * (1 - share)
    planned = challenger_n * log(share) + champion_n * log(1 - share)
    evidence = float(betaln(a + challenger_n, b + champion_n) - betaln(a, b)) - planned
    return min(1.0, exp(-max(evidence, 0.0)))
