"""Asks a candidate about rows whose inputs were changed, as a request with these inputs would be answered."""

from __future__ import annotations

import polars as pl

from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import OnDemand
from noria.loop.materials import Materials
from noria.packaging.encoding import encode
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.stress import Answer
from noria.stages.features.views import computed


def answering(on: Materials, rows: pl.DataFrame | None = None) -> Answer:
    """What a candidate answers to raw feature rows; features that are computed from changed ones on request are computed again.

    That is done where all inputs of a transform are features themselves; where one is not, its
    features stay as they were.

    Args:
        rows: The rows before any change; without them everything that can be computed is.
    """
    told = direct(on)
    again = [feature for feature in on.loop.features if isinstance(feature, OnDemand) and set(feature.inputs) <= told]

    def answer(frame: pl.DataFrame) -> Array:
        for transform in again:
            if rows is None or any(not frame[name].equals(rows[name], check_dtypes=True) for name in transform.inputs):
                frame = frame.with_columns(computed(transform, frame.select(transform.inputs)))
        return on.scorer.score(encode(frame, on.scorer.signature.features))

    return answer


def direct(on: Materials) -> set[str]:
    """Features that a request carries as they are."""
    return {name for feature in on.loop.features if isinstance(feature, Columns) for name in feature.names}


def recomputed(on: Materials) -> set[str]:
    """Features that follow from others: they cannot come in wrong by themselves."""
    told = direct(on)
    made: set[str] = set()
    for feature in on.loop.features:
        if isinstance(feature, OnDemand) and set(feature.inputs) <= told:
            made |= {column.name for column in computed(feature, on.judged.head(1).select(feature.inputs))}
    return made - told
