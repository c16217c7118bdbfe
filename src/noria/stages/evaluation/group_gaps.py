"""The widest gap between groups in one rate: its difference and ratio, with intervals that hold for all pairs together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from noria.core.schema import Estimate
from noria.stages.evaluation.group_rates import Rates

ENOUGH = 30
"""A group with fewer rows that a rate is a share of (positives, for tpr) says too little to be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widest:
    """The widest gap among some groups; `lowest` and `highest` are places in the rates."""

    lowest: int
    highest: int
    difference: Estimate
    ratio: Estimate
    fewest: int
    enough: bool


def widest(rates: Rates, groups: Sequence[int], *, level: float = 0.95, share: int = 1) -> Widest | None:
    """Find the two groups that are furthest apart, or None where fewer than two have enough rows.

    The larger the number of groups, the wider their widest gap by chance alone. So each pair gets
    an interval at a level that holds for all pairs together (Bonferroni), and the widest gap lies
    between the largest lower and the largest upper end.

    Args:
        groups: Places of the groups to compare.
        share: For a measure of several rates: how many share the error.
    """
    compared = [group for group in groups if rates.rows[group] >= ENOUGH and math.isfinite(rates.spread[group].se)]
    if len(compared) < 2:
        return None
    pairs = list(combinations(compared, 2))
    each = 1.0 - (1.0 - level) / (len(pairs) * share)
    marks = {group: rates.estimate(group, each) for group in compared}
    differences = [_difference(marks[a], marks[b], rates.correlation(a, b)) for a, b in pairs]
    lowest, highest = (pick(compared, key=lambda group: rates.value[group]) for pick in (min, max))
    rows = int(sum(rates.rows[group] for group in compared))
    fewest = int(min(rates.rows[group] for group in groups))
    return Widest(
        lowest=lowest,
        highest=highest,
        difference=Estimate(
            value=float(rates.value[highest] - rates.value[lowest]),
            low=max(0.0, *(max(low, -high) for low, high in differences)),
            high=max(max(abs(low), abs(high)) for low, high in differences),
            n=rows,
            level=level,
        ),
        ratio=_ratio(rates, marks, lowest, highest, rows, level),
        fewest=fewest,
        enough=len(compared) == len(groups),
    )


def _difference(one: Estimate, other: Estimate, together: float) -> tuple[float, float]:
    """The interval of one − other from each one's own: Newcombe's (1998), with the correlation of Zou & Donner (2008)."""
    gap = one.value - other.value
    down, up = (
        _reach(one.value - one.low, other.high - other.value, together),
        _reach(one.high - one.value, other.value - other.low, together),
    )
    return gap - down, gap + up


def _reach(a: float, b: float, together: float) -> float:
    return math.sqrt(max(0.0, a * a + b * b - 2.0 * together * a * b))


def _ratio(rates: Rates, marks: dict[int, Estimate], lowest: int, highest: int, rows: int, level: float) -> Estimate:
    """The quotient lowest / highest, between the smallest lower and the smallest upper end of any pair, either way round."""
    if rates.bounds[0] < 0.0 or not rates.value[highest] > 0.0:
        return Estimate(value=math.nan, low=math.nan, high=math.nan, n=rows, level=level)
    ends = [_quotient(marks[a], marks[b]) for a in marks for b in marks if a != b]
    low, high = min(low for low, _ in ends), min(1.0, *(high for _, high in ends))
    value = float(rates.value[lowest] / rates.value[highest])
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=rows, level=level)


def _quotient(one: Estimate, other: Estimate) -> tuple[float, float]:
    """The interval of one / other from each one's own, neither below 0 (Donner & Zou 2012, equation 9)."""
    product = one.value * other.value
    with np.errstate(divide="ignore", invalid="ignore"):
        low = _root(product, one.low * (2.0 * one.value - one.low), other.high * (2.0 * other.value - other.high), sign=-1.0)
        high = _root(product, one.high * (2.0 * one.value - one.high), other.low * (2.0 * other.value - other.low), sign=1.0)
    return low, high


def _root(product: float, ours: float, theirs: float, *, sign: float) -> float:
    """(product ± √(product² − ours · theirs)) / theirs; infinite, or 0 from below, where theirs is none."""
    inner = math.sqrt(max(0.0, product * product - ours * theirs))
    if sign > 0.0:
        return (product + inner) / theirs if theirs > 0.0 else math.inf
    # The same root written so that it holds where `theirs` is 0 or negative.
    return max(0.0, ours / (product + inner)) if product + inner > 0.0 else 0.0
