"""Metrics of anomaly scores: higher = stranger; y is 1 for what turned out to be one, where that is known.

An alert goes to the strangest rows, as many as somebody can look at: the budget, a share of the rows.
"""

from __future__ import annotations

import numpy as np

from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import UNDEFINED, Array, Measured, mean_of, quantile_of, scaled
from noria.stages.evaluation.ranking import captured


def precision(y: Array, score: Array, given: Given) -> Measured:
    """Measure the share of the alerts that were anomalies; ties at the border count in part."""
    found = scaled(captured(y, score, given.budget), 1.0 / given.budget)
    return Measured(value=min(found.value, 1.0), influence=found.influence)


def recall(y: Array, score: Array, given: Given) -> Measured:
    """Measure the share of the anomalies that were alerted; NaN when there was none."""
    positive = (y > 0.5).astype(np.float64)
    base = positive.mean()
    if not base:
        return UNDEFINED
    found = captured(y, score, given.budget)
    value = min(found.value / base, 1.0)
    return Measured(value=value, influence=found.influence / base - value * (positive - base) / base / len(y))


def alert_rate(y: Array, score: Array, given: Given) -> Measured:
    """Measure the share of rows whose score reaches the alarm."""
    assert given.alarm is not None
    return mean_of((score >= given.alarm).astype(np.float64))


def separation(y: Array, score: Array, given: Given) -> Measured:
    """Measure how far the alerts' median score lies above all rows' median, in interquartile ranges; NaN where half of the scores are equal."""
    middle, low, high, top = (quantile_of(score, level) for level in (0.5, 0.25, 0.75, 1.0 - given.budget / 2.0))
    spread = high.value - low.value
    if not spread > 0:
        return UNDEFINED
    value = (top.value - middle.value) / spread
    influence = (top.influence - middle.influence - value * (high.influence - low.influence)) / spread
    return Measured(value=value, influence=influence)
