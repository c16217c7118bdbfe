"""Outcomes and answers of the prediction log, in the form that metrics want: one place for monitors and rollouts."""

from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.schema import Signature, Task
from noria.core.traffic import Role

GIVEN = (Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK)
"""Answers that a user was given."""
OWN = (Role.CHAMPION, Role.FALLBACK)
"""The champion's own among them."""


def coded(outcomes: pl.Series, signature: Signature) -> pl.Series:
    """Outcomes as metrics want them: of many classes the place, null for one that the model has never met."""
    if signature.task is not Task.MULTICLASS:
        return outcomes
    places = {name: place for place, name in enumerate(signature.classes)}
    return outcomes.cast(pl.String).replace_strict(places, default=None, return_dtype=pl.Int64)


def answers(rows: pl.DataFrame, task: Task, suffix: str = "") -> np.ndarray:
    """Answers as the metrics want them: (n,), or (n, classes)."""
    if task is Task.MULTICLASS:
        return np.array(rows[f"answers{suffix}"].to_list(), dtype=float)
    return rows[f"answer{suffix}"].to_numpy()


def score_of(rows: pl.DataFrame, task: Task) -> np.ndarray:
    """The answers as one number each: for multi-class the highest probability."""
    if task is Task.MULTICLASS:
        return rows["answers"].list.max().to_numpy()
    return rows["answer"].to_numpy()
