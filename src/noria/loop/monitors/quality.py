"""Realised quality of the champion's own answers, and the estimate of it before outcomes come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from noria.core.costs import Costs
from noria.core.schema import Estimate, Task
from noria.core.training import Candidate
from noria.core.watching import Reading
from noria.loop.given import given_of
from noria.loop.monitors import estimated
from noria.loop.monitors.span import OWN, Span
from noria.loop.outcomes import answers, coded
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring import quality
from noria.stages.serving import log


def read(span: Span) -> list[Reading]:
    """The window whose outcomes are due, and the newest one, whose outcomes need not be known."""
    return [realised(span), *estimated.read(span)]


def realised(span: Span) -> Reading:
    """Realised quality of the champion's own answers, over a window whose outcomes are due."""
    signature, one, labelled = span.signature, span.watch, labelled_rows(span)
    meaning = metric(one.metric, signature.task)
    return quality.realised(
        one.metric,
        labelled,
        loop=span.loop,
        at=span.end,
        reference=span.watched.reference.quality.get(one.metric, float("nan")),
        drop=one.drop,
        higher_is_better=meaning.higher_is_better,
        estimate=_estimator(one.metric, labelled, span.watched.version.candidate, span.declared.loop.costs),
        min_rows=one.min_rows,
        chunk_sd=span.watched.reference.quality_chunk_sd.get(one.metric, float("nan")),
        reference_se=span.watched.reference.quality_se.get(one.metric, 0.0),
    )


def labelled_rows(span: Span) -> pl.DataFrame:
    """The champion's own answers with their outcomes, in the window whose outcomes are due."""
    signature = span.signature
    until = span.end - span.declared.loop.label.delay
    labelled = log.labelled(
        span.world.log_folder,
        span.loop,
        since=max(until - span.watch.window, span.watched.since),
        until=until,
        roles=OWN,
        versions=[span.watched.version.number],
    )
    labelled = labelled.with_columns(outcome=coded(labelled["outcome"], signature))
    if labelled.is_empty():
        return labelled
    return labelled.drop_nulls(["answers" if signature.task is Task.MULTICLASS else "answer", "outcome"])


def measured(name: str, labelled: pl.DataFrame, candidate: Candidate) -> float:
    """A metric of some labelled rows; NaN where it cannot be computed on them."""
    task = candidate.signature.task
    try:
        return metric(name, task).value(labelled["outcome"].to_numpy(), answers(labelled, task), given_of(candidate))
    except ValueError:
        return float("nan")


def _estimator(
    name: str, labelled: pl.DataFrame, candidate: Candidate, costs: Costs | None
) -> Callable[[np.ndarray, np.ndarray], Estimate]:
    """Estimates with intervals that know that rows of one day are not independent."""
    days = labelled["time"].dt.epoch("d").to_numpy() if labelled.height else None
    given = given_of(candidate, labelled, costs=costs)
    return lambda y, score: estimate(name, y, score, task=candidate.signature.task, clusters=days, given=given)
