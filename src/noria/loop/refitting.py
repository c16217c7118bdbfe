"""Trains the loop's recipe as it would have been trained at an earlier moment, and lets it answer what came after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter

import numpy as np
import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.declaration.training import Split
from noria.core.registry import ModelVersion
from noria.core.training import FeatureSet, Param
from noria.loop.native import native_score
from noria.packaging import package
from noria.packaging.encoding import encode
from noria.packaging.family_scorer import FamilyScorer, partitions_of
from noria.ports.blobs import Blobs
from noria.stages.training import fit, splits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refit:
    """A model of an earlier moment on rows that came after it.

    Attributes:
        y: Outcomes of those rows, shape (rows,).
        score: Its answers, shape (rows,) or (rows, classes).
        rows: The rows themselves, raw, in time order.
        trained_rows: Rows that it learnt from.
    """

    y: np.ndarray
    score: np.ndarray
    rows: pl.DataFrame
    trained_rows: int
    seconds: float


def refit(
    loop: Loop,
    features: FeatureSet,
    frame: pl.DataFrame,
    params: Mapping[str, Param],
    *,
    at: datetime,
    until: datetime | None = None,
    end: datetime | None = None,
    since: datetime | None = None,
    blank: tuple[int, ...] = (),
) -> Refit:
    """Train on what was known at a moment and answer the rows from it on, before `end`.

    Outcomes take `label.delay` to be known, so the rows of that last stretch before the moment do not train unless `until` says so.

    Args:
        until: Rows before this moment train, whenever their outcomes came to be known; None = what was known at `at`.
        since: Rows before this do not train.
        blank: Places of columns that are made the same in every row, so that the model cannot go by them.

    Raises:
        DataInvalid: no row trains or no row judges.
        JobFailed: the user's train function failed.
    """
    split, rows = splits.as_of(features, frame, until=until or at - loop.label.delay, since=since, start=at, end=end)
    split = _blanked(split, blank)
    began = perf_counter()
    model = fit.fit(loop.train, replace(split, X_valid=None, y_valid=None), {**loop.params, **params}, seed=loop.seed)
    seconds = perf_counter() - began
    return Refit(y=split.y_valid, score=native_score(model, split, features.task), rows=rows, trained_rows=len(split.y), seconds=seconds)


def answers_of(version: ModelVersion, features: FeatureSet, rows: pl.DataFrame, blobs: Blobs, *, alone: bool = False) -> np.ndarray | None:
    """A registered version's answers to raw rows; None where it answers another question, or needs columns that they lack.

    Args:
        alone: Of a family, ask the parent only: where it is held against models that have no members either.
    """
    signature = version.candidate.signature
    if signature.task is not features.task or signature.classes != features.classes:
        return None
    if not {field.name for field in signature.features} <= set(rows.columns):
        return None
    X, artifact = encode(rows, signature.features), version.candidate.artifact
    if alone or not version.family:
        return package.load(artifact, blobs=blobs, python=True).score(X)
    family = FamilyScorer(artifact, version.family, blobs=blobs, python=True)
    return family.answer(X, partitions_of(rows, family.by)) if family.by in rows.columns else None


def _blanked(split: Split, blank: tuple[int, ...]) -> Split:
    if not blank:
        return split
    X, newer = split.X.copy(), split.X_valid.copy()
    for place in blank:
        known = X[~np.isnan(X[:, place]), place]
        X[:, place] = newer[:, place] = np.median(known) if len(known) else np.nan
    return replace(split, X=X, X_valid=newer)
