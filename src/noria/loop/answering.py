"""Asks a candidate about rows whose inputs were changed, as a request with these inputs would be answered."""

from __future__ import annotations

import polars as pl

from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import OnDemand
from noria.core.schema import Field
from noria.loop.materials import Materials
from noria.packaging.encoding import encode
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.stress import Answer
from noria.stages.features.views import computed


def answering(on: Materials, rows: pl.DataFrame) -> Answer:
    """What a candidate answers to raw feature rows; features that are computed from changed ones on request are computed again.

    That is done where all inputs of a transform are features themselves; where one is not, its
    features stay as they were.

    Args:
        rows: The rows before any change.
    """
    again = [feature for feature in _transforms(on) if set(feature.inputs) <= direct(on)]

    def answer(frame: pl.DataFrame) -> Array:
        for transform in again:
            if any(not frame[name].equals(rows[name], check_dtypes=True) for name in transform.inputs):
                frame = frame.with_columns(computed(transform, frame.select(transform.inputs)))
        return on.scorer.score(encode(frame, on.scorer.signature.features))

    return answer


def answering_cases(on: Materials) -> Answer:
    """What a candidate answers to cases: what they do not say of features, and can be computed from what they say, is computed."""

    def answer(frame: pl.DataFrame) -> Array:
        for transform in _transforms(on):
            if set(transform.inputs) <= set(frame.columns):
                made = computed(transform, frame.select(transform.inputs))
                frame = frame.with_columns(pl.coalesce(pl.col(new.name), new) if new.name in frame.columns else new for new in made)
        return on.scorer.score(encode(frame, on.scorer.signature.features))

    return answer


def inputs_of_cases(on: Materials) -> list[Field]:
    """Fields of a request that are no features, and that features are computed from: a case may say them too."""
    inputs = {name for transform in _transforms(on) for name in transform.inputs} - {field.name for field in on.features.features}
    return [field for field in on.features.inputs if field.name in inputs]


def _transforms(on: Materials) -> list[OnDemand]:
    return [feature for feature in on.loop.features if isinstance(feature, OnDemand)]


def direct(on: Materials) -> set[str]:
    """Features that a request carries as they are."""
    return {name for feature in on.loop.features if isinstance(feature, Columns) for name in feature.names}


def recomputed(on: Materials) -> set[str]:
    """Features that follow from others: they cannot come in wrong by themselves."""
    told = direct(on)
    made: set[str] = set()
    for feature in _transforms(on):
        if set(feature.inputs) <= told:
            made |= {column.name for column in computed(feature, on.judged.head(1).select(feature.inputs))}
    return made - told
