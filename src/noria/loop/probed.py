"""The workshop's part of a probe: would the candidate that a turn makes beat the champion on the newest rows?"""

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
from noria.loop.given import given_of_judged
from noria.loop.materials import tuning_metric
from noria.loop.refitting import answers_of, refit
from noria.loop.workshop import Order
from noria.ports.blobs import Blobs
from noria.stages.evaluation.estimates import estimate, unknown
from noria.stages.evaluation.paired import compare
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.training.splits import TIME

SPAN, ROWS, LONGEST = timedelta(days=10), 2_000, timedelta(days=28)
"""Ten days judge, so that days are what is independent, or as many as it takes to 2,000 rows, but at most 28.

Not more: the older the rows, the less they say of the world that the candidate would meet.
"""


def probed(loop: Loop, order: Order, features: FeatureSet, frame: pl.DataFrame, blobs: Blobs) -> Probe:
    """Make the turn's candidate with the champion's parameters and hold it against the champion on the newest rows.

    It is trained on what the turn itself would train on, all rows before those that judge, so that it
    is as far behind the world as the turn's candidate would be: a change that is younger than that it
    does not know, and neither would a turn. Of the rows that judge, the newest speak (see
    `newest_from`), and of these only those that the champion was not trained on.
    """
    champion = order.champion
    assert champion is not None
    metric = tuning_metric(loop, features.task)
    moments = frame[TIME].dt.epoch("ms").sort().to_numpy()
    newer = moments[moments >= max(to_ms(features.train_until), to_ms(champion.scorecard.start))]
    if not len(newer):
        return _nothing(metric, features, "there are no rows that the champion was not trained on")
    start, end = newest_from(newer), from_ms(int(newer[-1]))
    try:
        made = refit(loop, features, frame, champion.candidate.recipe.params, at=start, until=features.train_until)
    except DataInvalid as error:
        return _nothing(metric, features, error.message)
    blocks = time_blocks(made.rows[TIME].to_numpy().astype("datetime64[ms]"))
    given = given_of_judged(loop, champion.candidate, frame, len(made.y))
    mark = estimate(metric, made.y, made.score, task=features.task, clusters=blocks, seed=loop.seed, given=given)
    rivals = answers_of(champion, features, made.rows, blobs, alone=True)
    probe = Probe(
        metric=metric,
        start=start,
        end=end,
        rows=len(made.y),
        rarest=_rarest(made.y, features.task),
        blocks=0 if blocks is None else len(np.unique(blocks)),
        trained_rows=made.trained_rows,
        trained_until=features.train_until,
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
    """From when on rows judge: the newest ten days, or more days up to 2,000 rows, at most 28 days."""
    end, first = from_ms(int(newer_ms[-1])), from_ms(int(newer_ms[0]))
    enough = from_ms(int(newer_ms[-min(ROWS, len(newer_ms))]))
    return max(first, min(end - SPAN, enough), end - LONGEST)


def _nothing(metric: str, features: FeatureSet, note: str) -> Probe:
    nothing = unknown(0, 0.95)
    return Probe(
        metric=metric,
        start=features.end,
        end=features.end,
        rows=0,
        rarest=0,
        blocks=0,
        trained_rows=0,
        trained_until=features.train_until,
        refit=nothing,
        note=note,
    )


def _rarest(y: np.ndarray, task: Task) -> int:
    """Rows of the rarest class that occurs; 0 when only one does, all rows where numbers are predicted."""
    if task not in (Task.BINARY, Task.MULTICLASS):
        return len(y)
    counts = np.unique(y, return_counts=True)[1]
    return int(counts.min()) if len(counts) > 1 else 0
