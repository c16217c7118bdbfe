"""Puts features of any kind on one scale, so that rows are points: one standardised number per feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.joint import Coordinate
from noria.core.schema import Field, Kind
from noria.stages.monitoring.bins import categories_of, codes_of, missing_of, numbers_of

MOST_FEATURES = 300
"""Features that are looked at together, the most important ones: what is kept stays bounded."""

MOST_TEXTS = 300
"""Texts of a feature that are told apart."""

REACH = 8.0
"""Standard deviations beyond which farther is not more: one freak value must not drown all others."""

Array = NDArray[np.float64]


def learn(frame: pl.DataFrame, features: Sequence[Field], importance: Mapping[str, float] | None = None) -> tuple[Coordinate, ...]:
    """Learn the scale of each feature from the reference; times are left out, since a clock always moves on.

    Args:
        frame: One row per reference row, one column per feature.
        importance: Feature to importance; decides which are kept when there are more than `MOST_FEATURES`.
    """
    measured = [feature for feature in features if feature.kind is not Kind.TIME and not feature.kind.whole]
    known = [feature for feature in measured if feature.name in frame.columns]
    if len(known) > MOST_FEATURES:
        weights = importance or {}
        kept = set(sorted((one.name for one in known), key=lambda name: -weights.get(name, 0.0))[:MOST_FEATURES])
        known = [one for one in known if one.name in kept]
    return tuple(_learn(frame[feature.name], text=feature.kind is Kind.TEXT) for feature in known)


def points(frame: pl.DataFrame, coordinates: Sequence[Coordinate]) -> Array:
    """Rows as points, shape (rows, coordinates); a column that is not there lies at the centre throughout."""
    columns = [
        placed(frame[one.name], one) if one.name in frame.columns else np.zeros(frame.height, dtype=np.float64) for one in coordinates
    ]
    return np.column_stack(columns) if columns else np.zeros((frame.height, 0), dtype=np.float64)


def placed(values: pl.Series, coordinate: Coordinate) -> Array:
    """One feature's values on its scale, shape (rows,), within ±`REACH`."""
    raw = _surprise(values, coordinate) if coordinate.surprises else numbers_of(values)
    scaled = (raw - coordinate.centre) / coordinate.spread
    return np.clip(np.where(np.isfinite(scaled), scaled, 0.0), -REACH, REACH)


def _learn(values: pl.Series, *, text: bool) -> Coordinate:
    texts = categories_of(values, MOST_TEXTS) if text else ()
    surprises: tuple[float, ...] = ()
    if text:
        codes = codes_of(values, edges=(), categories=texts) if texts else np.zeros(0, dtype=np.intp)
        counts = np.bincount(codes, minlength=len(texts) + 2)[: len(texts) + 1].astype(np.float64)
        shares = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
        surprises = tuple(float(one) for one in -np.log(shares))
    bare = Coordinate(name=values.name, centre=0.0, spread=1.0, texts=texts, surprises=surprises)
    raw = _surprise(values, bare) if text else numbers_of(values)
    raw = raw[np.isfinite(raw)]
    centre, spread = (float(raw.mean()), float(raw.std())) if len(raw) else (0.0, 0.0)
    return Coordinate(name=values.name, centre=centre, spread=spread if spread > 0 else 1.0, texts=texts, surprises=surprises)


def _surprise(values: pl.Series, coordinate: Coordinate) -> Array:
    table = np.array([*coordinate.surprises, np.nan])
    if not coordinate.texts:
        return np.where(missing_of(values), np.nan, coordinate.surprises[0])
    return table[codes_of(values, edges=(), categories=coordinate.texts)]
