"""Looks for what may be behind an alert: each finder says what it found, with its numbers, or nothing.

A finder speaks only when what it names accounts for the alert: put right what it found, and the
feature is within its limit again. So a cause is a claim that was checked, not a guess from a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from noria.core.watching import Evidence, FeatureReference
from noria.stages.monitoring.arrivals import Arrivals, spoken_s
from noria.stages.monitoring.bins import codes_of, missing_of, numbers_of
from noria.stages.monitoring.stability import chance_limit, debiased_psi

UNITS: Mapping[str, tuple[float, float]] = {
    "°F instead of °C": (1.8, 32.0),
    "°C instead of °F": (1 / 1.8, -32.0 / 1.8),
    "K instead of °C": (1.0, 273.15),
    "°C instead of K": (1.0, -273.15),
    "kilometres instead of miles": (1.609344, 0.0),
    "miles instead of kilometres": (1 / 1.609344, 0.0),
    "metres instead of feet": (0.3048, 0.0),
    "feet instead of metres": (1 / 0.3048, 0.0),
    "centimetres instead of inches": (2.54, 0.0),
    "inches instead of centimetres": (1 / 2.54, 0.0),
    "kilograms instead of pounds": (0.45359237, 0.0),
    "pounds instead of kilograms": (1 / 0.45359237, 0.0),
    "shares instead of percent": (0.01, 0.0),
    "percent instead of shares": (100.0, 0.0),
    "thousands instead of ones": (0.001, 0.0),
    "ones instead of thousands": (1_000.0, 0.0),
    "minutes instead of seconds": (1 / 60, 0.0),
    "seconds instead of minutes": (60.0, 0.0),
    "hours instead of minutes": (1 / 60, 0.0),
    "tenths instead of ones": (10.0, 0.0),
    "ones instead of tenths": (0.1, 0.0),
    "the opposite sign": (-1.0, 0.0),
}
"""A change of unit to what it does: new = factor × old + shift. Where two do alike, the first is named."""

NEW_SHARE = 0.01
"""Share of rows from which a value that training never saw is worth a word."""

FEWEST_IN_SLICE = 50
"""Rows that a slice needs, to be blamed or cleared."""


def arrival(features: Sequence[str], arrivals: Arrivals) -> Evidence | None:
    """The dataset that features come from is late, or has stopped: "`visibility` from weather arrives 6h late since 3 June"."""
    named = " and ".join(f"`{one}`" for one in features[:2]) + (f" and {len(features) - 2} more" if len(features) > 2 else "")
    since = f" since {_day(arrivals.delay.since or arrivals.age.since)}" if arrivals.delay.since or arrivals.age.since else ""
    are = "" if len(features) > 1 else "s"
    if arrivals.delay.beyond:
        text = (
            f"{named} from {arrivals.dataset} arrive{are} {spoken_s(arrivals.delay.value - arrivals.delay.usual)} late{since}: "
            f"{spoken_s(arrivals.delay.value)} after it happened, usually {spoken_s(arrivals.delay.usual)}"
        )
        numbers = {"delay h": arrivals.delay.value / 3600, "usual h": arrivals.delay.usual / 3600, "limit h": arrivals.delay.limit / 3600}
        return Evidence(kind="late", text=text, explains=0.95, numbers=_rounded(numbers))
    if arrivals.age.beyond:
        newest = f"{arrivals.newest:%-d %B %H:%M}" if arrivals.newest else "never"
        text = (
            f"{named} from {arrivals.dataset}: nothing new since {newest}; at most {spoken_s(arrivals.age.limit)} old is usual, "
            f"it is {spoken_s(arrivals.age.value)}"
        )
        numbers = {"age h": arrivals.age.value / 3600, "limit h": arrivals.age.limit / 3600}
        return Evidence(kind="stale", text=text, explains=0.95, numbers=_rounded(numbers))
    return None


def new_value(
    feature: FeatureReference, column: pl.Series, known: Sequence[str], limit: float, *, since: Callable[[str], datetime | None]
) -> Evidence | None:
    """A text feature has a value that training never saw, in more than a few rows.

    Args:
        known: Values that training saw.
        limit: Of the feature's PSI.
        since: When a value first came.
    """
    if not known or column.dtype != pl.String:
        return None
    texts = column.drop_nulls()
    unseen = texts.filter(~texts.is_in(list(known)))
    if len(unseen) < NEW_SHARE * len(column) or not len(column):
        return None
    counts = unseen.alias("text").value_counts(name="rows").sort("rows", "text", descending=[True, False])
    value, rows = str(counts["text"][0]), int(counts["rows"][0])
    share, began = rows / len(column), since(value)
    others = f" and {counts.height - 1} more" if counts.height > 1 else ""
    text = f"`{feature.name}` has a new value '{value}'{others} in {len(unseen) / len(column):.0%} of rows" + (
        f" since {_day(began)}" if began else ""
    )
    explains = 0.85 if _psi(feature, column.filter(~column.is_in(unseen.unique().to_list()))) <= limit else 0.4
    return Evidence(kind="new-value", text=text, explains=explains, numbers={"share": round(share, 4), "values": counts.height})


def unit(feature: FeatureReference, column: pl.Series, limit: float) -> Evidence | None:
    """A number looks as if its unit had changed: taken back, it is within its limit."""
    if not feature.edges:
        return None
    values = numbers_of(column)
    if not np.isfinite(values).any():
        return None
    found = {name: _psi(feature, pl.Series((values - shift) / factor)) for name, (factor, shift) in UNITS.items()}
    best = min(found, key=lambda name: found[name])
    if found[best] > limit:
        return None
    text = f"`{feature.name}` looks like {best}: taken back, its drift is {found[best]:.2f}, within its limit of {limit:.2f}"
    return Evidence(kind="unit", text=text, explains=0.9, numbers={"drift when taken back": round(found[best], 4)})


def slice_of_drift(
    feature: FeatureReference, name: str, chunk: pl.DataFrame, sample: pl.DataFrame, slices: Sequence[str], limit: float
) -> Evidence | None:
    """The drift is that of one slice: within it the feature has moved, outside of it it has not.

    Both halves are held against the same halves of `sample`, so that a slice that merely grew is not blamed.
    """
    found = []
    for column, value, inside, before in _slices(chunk, sample, slices, name):
        rest, rest_before = chunk.filter(~inside)[name], sample.filter(~before)[name]
        within = _between(feature, sample.filter(before)[name], chunk.filter(inside)[name])
        outside = _between(feature, rest_before, rest)
        if outside[0] <= max(limit, outside[1]) and within[0] > max(2 * limit, within[1]):
            found.append((_share(inside), column, value, within[0], max(outside[0], 0.0)))
    if not found:
        return None
    share, column, value, psi, rest_psi = min(found)
    text = f"only in slice {column}={value} ({share:.0%} of rows): drift {psi:.2f} there, {rest_psi:.2f} elsewhere"
    return Evidence(
        kind="slice", text=text, explains=0.7, numbers={"share": round(share, 4), "inside": round(psi, 4), "outside": round(rest_psi, 4)}
    )


def slice_of_missing(name: str, chunk: pl.DataFrame, slices: Sequence[str], limit: float) -> Evidence | None:
    """Values are missing in one slice alone."""
    missing = pl.Series(missing_of(chunk[name])) if name in chunk.columns else pl.Series([True] * chunk.height)
    found = []
    for column in (one for one in slices if one != name and one in chunk.columns):
        for value in chunk[column].drop_nulls().unique().to_list():
            inside = (chunk[column] == value).fill_null(False)
            if FEWEST_IN_SLICE <= int(inside.sum()) <= chunk.height - FEWEST_IN_SLICE:
                here, elsewhere = _share(missing.filter(inside)), _share(missing.filter(~inside))
                if elsewhere <= limit < here:
                    found.append((_share(inside), column, value, here, elsewhere))
    if not found:
        return None
    share, column, value, here, elsewhere = min(found, key=lambda one: one[:2])
    text = f"`{name}` is missing only in slice {column}={value} ({share:.0%} of rows): {here:.0%} there, {elsewhere:.0%} elsewhere"
    return Evidence(kind="slice", text=text, explains=0.7, numbers={"inside": round(here, 4), "outside": round(elsewhere, 4)})


def slice_of_fall(
    metric: str,
    rows: pl.DataFrame,
    slices: Sequence[str],
    limit: float,
    measure: Callable[[pl.DataFrame], float],
    *,
    higher_is_better: bool,
) -> Evidence | None:
    """Quality fell because of one slice: without its rows it would be within its limit.

    Args:
        measure: The metric of some of the rows.
    """
    sign = 1.0 if higher_is_better else -1.0
    found = []
    for column in (one for one in slices if one in rows.columns):
        for value in rows[column].drop_nulls().unique().to_list():
            inside = (rows[column] == value).fill_null(False)
            share = _share(inside)
            if int(inside.sum()) < FEWEST_IN_SLICE or share > 0.5:
                continue
            here, rest = measure(rows.filter(inside)), measure(rows.filter(~inside))
            if np.isfinite(here) and sign * (rest - limit) >= 0 and sign * (rest - here) > 0:
                found.append((share, column, value, here, rest))
    if not found:
        return None
    share, column, value, here, rest = min(found, key=lambda one: one[:2])
    text = f"only in slice {column}={value} ({share:.0%} of rows): {metric} is {here:.3f} there and {rest:.3f} elsewhere, within its limit of {limit:.3f}"
    return Evidence(kind="slice", text=text, explains=0.7, numbers={"inside": round(here, 4), "outside": round(rest, 4)})


def likely(found: Sequence[Evidence | None]) -> tuple[Evidence, ...]:
    """What was found, most telling first, each kind of thing once per text."""
    there = {one.text: one for one in found if one is not None}
    return tuple(sorted(there.values(), key=lambda one: -one.explains))


def _psi(feature: FeatureReference, column: pl.Series) -> float:
    """Debiased PSI of the values; infinity when there are none."""
    if not len(column):
        return float("inf")
    codes = codes_of(column, edges=feature.edges, categories=feature.categories)
    return float(debiased_psi(feature.counts, np.bincount(codes, minlength=len(feature.counts))))


def _between(feature: FeatureReference, before: pl.Series, now: pl.Series) -> tuple[float, float]:
    """Debiased PSI between two sets of values in the feature's bins, and what chance alone does to it."""
    counts = [
        np.bincount(codes_of(one, edges=feature.edges, categories=feature.categories), minlength=len(feature.counts))
        for one in (before, now)
    ]
    return float(debiased_psi(counts[0], counts[1])), chance_limit(counts[0], len(now))


def _slices(chunk: pl.DataFrame, sample: pl.DataFrame, slices: Sequence[str], name: str) -> list[tuple[str, str, pl.Series, pl.Series]]:
    """Slices of chunk and sample that have enough rows in both, inside and outside."""
    found = []
    for column in (one for one in slices if one != name and one in chunk.columns and one in sample.columns):
        for value in chunk[column].drop_nulls().unique().to_list():
            inside, before = ((frame[column] == value).fill_null(False) for frame in (chunk, sample))
            sizes = [int(one.sum()) for one in (inside, ~inside, before, ~before)]
            if min(sizes) >= FEWEST_IN_SLICE:
                found.append((column, str(value), inside, before))
    return found


def _share(truths: pl.Series) -> float:
    """How many of them are true."""
    return int(truths.sum()) / len(truths) if len(truths) else 0.0


def _day(moment: datetime | None) -> str:
    return f"{moment:%-d %B}" if moment else ""


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in numbers.items()}
