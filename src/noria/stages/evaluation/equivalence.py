"""Better, not worse, equivalent: what a difference with its interval shows against a margin."""

from __future__ import annotations

import math

from scipy.special import stdtr, stdtridf

from noria.core.examination.comparing import Comparison, claimed
from noria.core.schema import Estimate

MANY = 1e9
"""Degrees of freedom of an interval that is a normal one."""


def judged(metric: str, difference: Estimate, *, margin: float = 0.0, method: str = "influence") -> Comparison:
    """Hold a paired difference against a margin.

    Not worse: one-sided test of "worse by the margin or more". Equivalent: two one-sided tests
    (Schuirmann 1987), which is to say that the interval lies within ± margin. With an interval of
    95 % each of the tests errs in at most 2.5 % of cases, as trials of medicines are judged (ICH E9).

    Args:
        difference: First − second, positive = the first is better; NaN where it could not be computed.
        margin: How much worse still counts as not worse, ≥ 0, in units of the metric.
    """
    freedom = freedom_of(difference)
    below, above = chance_at_most(difference, -margin, freedom), 1.0 - chance_at_most(difference, margin, freedom)
    under = chance_at_most(difference, 0.0, freedom)
    return Comparison(
        metric=metric,
        difference=difference,
        claim=claimed(difference, margin),
        margin=margin,
        equivalent=-margin < difference.low and difference.high < margin,
        p_equal=min(1.0, 2.0 * min(under, 1.0 - under)),
        p_worse=below,
        p_apart=max(below, above) if margin > 0 else 1.0,
        method=method,
    )


def chance_at_most(difference: Estimate, limit: float, freedom: float) -> float:
    """One-sided p-value of "the true difference is `limit` or less"; NaN without a standard error."""
    if math.isnan(difference.se) or math.isnan(difference.value):
        return math.nan
    if difference.se == 0.0:
        return 1.0 if difference.value <= limit else 0.0
    return float(stdtr(freedom, (limit - difference.value) / difference.se))


def freedom_of(difference: Estimate) -> float:
    """The degrees of freedom that the interval was made with, from how many standard errors it reaches."""
    if not difference.se > 0:
        return MANY
    freedom = float(stdtridf((1.0 + difference.level) / 2.0, (difference.high - difference.value) / difference.se))
    return freedom if math.isfinite(freedom) and freedom > 0 else MANY
