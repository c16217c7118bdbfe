"""Counts a column on both sides into the few bars that a reader looks at; limits are not made from these."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.checking import Bar
from noria.core.schema import Kind

BARS = 24
TEXTS = 9
LABEL = 60


def bars_of(before: pl.Series, now: pl.Series, kind: Kind) -> tuple[Bar, ...]:
    """The shares of each bar among values that are there, before and now."""
    sides = before.drop_nulls(), now.drop_nulls()
    if kind in (Kind.TEXT, Kind.BOOL):
        return _texts(*(side.cast(pl.String) for side in sides))
    numbers = [side.to_physical().cast(pl.Float64).to_numpy() for side in sides]
    numbers = [one[np.isfinite(one)] for one in numbers]
    every = np.concatenate(numbers)
    if not len(every):
        return ()
    if kind is Kind.INT:
        values = np.unique(every)
        if len(values) <= BARS:
            return tuple(_bar(f"{value:.0f}", *(float(np.mean(one == value)) if len(one) else 0.0 for one in numbers)) for value in values)
    return _widths(numbers, every, kind)


def _texts(before: pl.Series, now: pl.Series) -> tuple[Bar, ...]:
    shares = [dict(side.alias("text").value_counts(normalize=True, name="share").iter_rows()) for side in (before, now)]
    either = {text: shares[0].get(text, 0.0) + shares[1].get(text, 0.0) for text in shares[0] | shares[1]}
    most = sorted(either, key=lambda text: (-either[text], text))
    kept = most if len(most) <= TEXTS + 1 else most[:TEXTS]
    bars = [_bar(text[:LABEL], *(side.get(text, 0.0) for side in shares)) for text in kept]
    if len(kept) < len(most):
        rest = (max(0.0, sum(side.values()) - sum(side.get(text, 0.0) for text in kept)) for side in shares)
        bars.append(_bar(f"{len(most) - len(kept):,} others", *rest))
    return tuple(bars)


def _widths(numbers: list[NDArray[np.float64]], every: NDArray[np.float64], kind: Kind) -> tuple[Bar, ...]:
    """Equal widths over where nearly all values of either side lie; what lies beyond falls into the outer bars."""
    some = [one for one in numbers if len(one)]
    low = min(float(np.quantile(one, 0.005)) for one in some)
    high = max(float(np.quantile(one, 0.995)) for one in some)
    if low == high:
        low, high = float(every.min()), float(every.max())
    if low == high:
        return (_bar(_said(low, kind, 1.0), *(float(bool(len(one))) for one in numbers)),)
    edges = np.linspace(low, high, BARS + 1)
    places = [np.clip(((one - low) / (high - low) * BARS).astype(np.intp), 0, BARS - 1) for one in numbers]
    shares = [np.bincount(at, minlength=BARS) / max(len(at), 1) for at in places]
    ends = [_said(edge, kind, high - low) for edge in edges]
    return tuple(_bar(f"{ends[k]} to {ends[k + 1]}", float(shares[0][k]), float(shares[1][k])) for k in range(BARS))


def _said(value: float, kind: Kind, reach: float) -> str:
    if kind is Kind.TIME:
        return f"{datetime.fromtimestamp(value / 1000, tz=UTC):%-d %b %Y}"
    digits = max(0, 2 - int(np.floor(np.log10(reach)))) if reach > 0 else 0
    return (f"{value:,.{min(digits, 8)}f}" if abs(value) < 1e9 else f"{value:.4g}").replace("-", "−")


def _bar(label: str, before: float, now: float) -> Bar:
    return Bar(label=label, before=round(before, 6), now=round(now, 6))
