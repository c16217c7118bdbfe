"""What each version would have been worth on all traffic of a bandit, from the shares that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from noria.core.schema import Task
from noria.core.traffic import Role
from noria.loop.evidence import Evidence
from noria.loop.outcomes import answers
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.off_policy import Method, Worth, worth

FEWEST = 200
"""Labelled rows that are worth weighing."""

NAMES = ("champion", "challenger")
LOSSES = {Task.BINARY: "squared error", Task.MULTICLASS: "share of wrong answers", Task.REGRESSION: "absolute error"}


def of_either(evidence: Evidence, shares: Sequence[tuple[datetime, float]]) -> dict[str, Worth]:
    """The loss per request had one version answered every request, for either; empty with too few outcomes.

    Only what each version was dealt and answered counts, and each answer is weighed by the chance
    that it was the one to give it, as it was logged then: so days of 10 % and days of 60 % may be
    pooled.

    Args:
        shares: The challenger's share and from when on it held, oldest first: for rows that were
            logged before their propensity was.
    """
    told = evidence.outcomes.filter(pl.col("role").is_in([Role.CHAMPION, Role.CHALLENGER]), pl.col("error") == "")
    if shares:
        told = told.filter(pl.col("time") >= shares[0][0])
    if told.height < FEWEST or not shares:
        return {}
    share = _dealt(told, shares)
    action = (told["role"] == Role.CHALLENGER).to_numpy().astype(np.intp)
    kept = (share > 0) & (share < 1)
    propensity = np.column_stack([1 - share, share])[kept]
    loss, keys = _loss(told, evidence.task)[kept], told["key"].to_numpy()[kept]
    if len(set(action[kept].tolist())) < 2:
        return {}
    return {name: worth(action[kept], loss, propensity, np.eye(2)[arm], method=Method.DR, clusters=keys) for arm, name in enumerate(NAMES)}


def _dealt(told: pl.DataFrame, shares: Sequence[tuple[datetime, float]]) -> Array:
    """The chance that each request was dealt to the challenger, shape (rows,)."""
    since = np.array([np.datetime64(at.replace(tzinfo=None), "ms") for at, _ in shares])
    at = np.searchsorted(since, told["time"].dt.replace_time_zone(None).to_numpy().astype("datetime64[ms]"), side="right") - 1
    planned = np.array([share for _, share in shares])[at]
    if "propensity" not in told.columns:
        return planned
    logged = told["propensity"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    of_challenger = np.where((told["role"] == Role.CHALLENGER).to_numpy(), logged, 1 - logged)
    return np.where(np.isfinite(of_challenger), of_challenger, planned)


def said(task: Task, found: dict[str, Worth]) -> str:
    """Both values as a sentence."""
    each = (
        f"{name} {one.value.value:.4f} [{one.value.low:.4f}, {one.value.high:.4f}] (worth {one.effective:,.0f} rows)"
        for name, one in found.items()
    )
    return f"{LOSSES.get(task, 'absolute error')} had one version answered all: {', '.join(each)}"


def _loss(told: pl.DataFrame, task: Task) -> np.ndarray:
    y, answered = told["outcome"].cast(pl.Float64).to_numpy(), answers(told, task)
    if task is Task.MULTICLASS:
        return (answered.argmax(axis=1) != y).astype(np.float64)
    return np.square(answered - y) if task is Task.BINARY else np.abs(answered - y)
