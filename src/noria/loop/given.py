"""What metrics need to know besides outcomes and answers: a threshold, costs, what belongs together, and a plain forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from noria.core.costs import Costs
from noria.core.declaration.loop import Loop
from noria.core.schema import Task
from noria.core.training import Candidate
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.simple_models import last_values
from noria.stages.training import splits


def given_of(candidate: Candidate, rows: pl.DataFrame | None = None, *, costs: Costs | None = None) -> Given:
    """The threshold that its labels are made with, the costs that it was chosen by, and of logged rows what belongs together.

    Args:
        costs: For a version that was made before any were stated.
    """
    costs = costs if candidate.choice is None else candidate.choice.costs
    given = Given(threshold=candidate.signature.threshold, costs=costs)
    column = f"in:{candidate.signature.group}"
    if rows is None or column not in rows.columns:
        return given
    together = rows[column].cast(pl.String).fill_null("").to_numpy()
    return replace(given, groups=together) if candidate.signature.task is Task.RANKING else replace(given, series=together)


def given_of_judged(loop: Loop, candidate: Candidate, frame: pl.DataFrame, judged: int) -> Given:
    """The same for the newest rows of a feature set, which judge; a forecast is held against the value one season ago.

    Args:
        frame: The feature set.
        judged: How many rows judge: the newest.
    """
    given, task = given_of(candidate, costs=loop.costs), candidate.signature.task
    rows = frame.sort(splits.TIME, maintain_order=True)
    codes = splits.groups(rows)
    if task is Task.RANKING and codes is not None:
        return replace(given, groups=codes[-judged:])
    if task is not Task.FORECAST:
        return given
    series = np.zeros(rows.height, dtype=np.int64) if codes is None else codes
    y = rows[splits.LABEL].cast(pl.Float64).to_numpy()
    before = last_values(
        series.tolist(),
        rows[splits.TIME].dt.epoch("ms").to_numpy(),
        y,
        np.ones(rows.height, dtype=np.bool_),
        delay_ms=round(loop.label.delay.total_seconds() * 1000),
        back_ms=round(loop.label.season.total_seconds() * 1000),
    )
    past = slice(0, rows.height - judged)
    changes = np.abs(y - before)
    scale, rms_scale = (_by_series(values[past], series[past], int(series.max()) + 1) for values in (changes, changes**2))
    return replace(
        given,
        series=series[-judged:],
        baseline=before[-judged:],
        scale=scale[series[-judged:]],
        rms_scale=np.sqrt(rms_scale)[series[-judged:]],
    )


def _by_series(values: np.ndarray, series: np.ndarray, count: int) -> np.ndarray:
    """Mean within each series over what is known, shape (count,); NaN where nothing is."""
    known = np.isfinite(values)
    rows = np.bincount(series[known], minlength=count)
    sums = np.bincount(series[known], weights=values[known], minlength=count)
    return np.divide(sums, rows, out=np.full(count, np.nan), where=rows > 0)
