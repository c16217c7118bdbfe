"""The workshop's part of a probe: would the recipe, trained on what has come since, beat the champion on the newest rows?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.errors import DataInvalid
from noria.core.moments import from_ms, to_ms
from noria.core.probing import Probe
from noria.core.schema import Task
from noria.core.training import FeatureSet
from noria.loop.given import given_of
from noria.loop.materials import tuning_metric
from noria.loop.refitting import answers_of, refit
from noria.loop.workshop import Order
from noria.ports.blobs import Blobs
from noria.stages.evaluation.estimates import estimate, unknown
from noria.stages.evaluation.paired import compare
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.training.splits import TIME

NEWEST = 1 / 3
"""At most this share of the rows since the champion's judges; the others train along."""

SPAN, ROWS, LONGEST = timedelta(days=10), 2_000, timedelta(days=28)
"""Ten days judge, so that days are what is independent, or as many as it takes to 2,000 rows, but at most 28.

Not more: a refit knows nothing of a change that is younger than the rows that judge it.
"""


def probed(loop: Loop, order: Order, features: FeatureSet, frame: pl.DataFrame, blobs: Blobs) -> Probe:
    """Train the champion's parameters on all but the newest rows and hold the result against the champion there.

    The newest rows came after the champion's scorecard (see `newest_from`): the champion never saw
    them, and the refit has learnt from what came before them.
    """
    champion = order.champion
    assert champion is not None
    metric = tuning_metric(loop, features.task)
    moments = frame[TIME].dt.epoch("ms").sort().to_numpy()
    newer = moments[moments > to_ms(champion.scorecard.end)]
    if not len(newer):
        return _nothing(metric, features, "no outcome has come since the champion's scorecard")
    start, end = newest_from(newer), from_ms(int(newer[-1]))
    try:
        made = refit(loop, features, frame, champion.candidate.recipe.params, at=start)
    except DataInvalid as error:
        return _nothing(metric, features, error.message)
    blocks = time_blocks(made.rows[TIME].to_numpy().astype("datetime64[ms]"))
    given = given_of(champion.candidate)
    mark = estimate(metric, made.y, made.score, task=features.task, clusters=blocks, seed=loop.seed, given=given)
    rivals = answers_of(champion, features, made.rows, blobs)
    probe = Probe(
        metric=metric,
        start=start,
        end=end,
        rows=len(made.y),
        rarest=_rarest(made.y, features.task),
        blocks=0 if blocks is None else len(np.unique(blocks)),
        trained_rows=made.trained_rows,
        refit=mark,
    )
    if rivals is None:
        return replace(probe, note=f"v{champion.number} answers another question, or needs features that are gone")
    return replace(
        probe,
        champion=estimate(metric, made.y, rivals, task=features.task, clusters=blocks, seed=loop.seed, given=given),
        gain=compare(metric, made.y, made.score, rivals, task=features.task, clusters=blocks, seed=loop.seed, given=given),
    )


def newest_from(newer_ms: np.ndarray) -> datetime:
    """From when on rows judge: the newest third of what is new, at most ten days, or more days up to 2,000 rows, at most 28 days."""
    end = from_ms(int(newer_ms[-1]))
    third = from_ms(int(newer_ms[-max(1, round(len(newer_ms) * NEWEST))]))
    enough = from_ms(int(newer_ms[-min(ROWS, len(newer_ms))]))
    return max(third, min(end - SPAN, enough), end - LONGEST)


def _nothing(metric: str, features: FeatureSet, note: str) -> Probe:
    nothing = unknown(0, 0.95)
    return Probe(metric=metric, start=features.end, end=features.end, rows=0, rarest=0, blocks=0, trained_rows=0, refit=nothing, note=note)


def _rarest(y: np.ndarray, task: Task) -> int:
    """Rows of the rarest class that occurs; 0 when only one does, all rows where numbers are predicted."""
    if task not in (Task.BINARY, Task.MULTICLASS):
        return len(y)
    counts = np.unique(y, return_counts=True)[1]
    return int(counts.min()) if len(counts) > 1 else 0
