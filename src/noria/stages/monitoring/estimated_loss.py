"""Estimates the error of predicted numbers before outcomes come (direct loss estimation).

A small model learns, on held-out rows, what loss a row's answer will have from its features and the
answer itself: some rows are harder than others. Its mean over new rows is the metric. It is as
blind as a calibration to a change in what the inputs mean for the outcome.

Source: NannyML's documentation of DLE.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from noria.core.schema import Estimate, Field, Kind, Signature, Task
from noria.core.watching import LossModels
from noria.packaging.lightgbm_text import LightgbmScorer
from noria.stages.monitoring.doubt import doubt_of, doubt_of_mean

LOSSES: Mapping[str, str] = {"mae": "absolute", "rmse": "squared", "mape": "relative"}
"""Metric to the loss whose mean (or its root) it is."""

FEWEST_ROWS = 200
"""Held-out rows that a loss is learnt from."""

FOLDS = 5

_SMALL = {
    "objective": "regression",
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_child_samples": 40,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 7,
    "deterministic": True,
}
_TREES = 60

Array = NDArray[np.float64]


def learn_losses(X: Array, answers: Array, y: Array, blocks: NDArray) -> tuple[LossModels, Mapping[str, Array]] | None:
    """Learn each loss of held-out rows; None when they are too few.

    Args:
        X: The model's matrix, shape (rows, features), in order of time.
        answers, y: What it answered and what came of it, shape (rows,).
        blocks: The block of time of each row, such as its day.

    Returns:
        The models; and loss to each row's (loss − what a model said that did not see its fifth of the time), shape (rows,).
    """
    if len(y) < FEWEST_ROWS:
        return None
    design, error = np.column_stack([X, answers]), np.abs(answers - y)
    losses = {"absolute": error, "squared": error**2}
    if (y != 0).all():
        losses["relative"] = error / np.abs(y)
    texts, off = {}, {}
    for name, loss in losses.items():
        texts[name] = _grown(design, loss)
        off[name] = loss - _unseen(design, loss)
    found = {name: doubt_of(rest[:, None], np.array([[float(len(rest))]]), blocks) for name, rest in off.items()}
    models = LossModels(
        texts=texts,
        columns=design.shape[1],
        doubt={name: float(one.learnt[0, 0]) for name, one in found.items()},
        doubt_per_day={name: float(one.per_block[0, 0]) for name, one in found.items()},
        doubt_per_row={name: float(rest.var()) for name, rest in off.items()},
    )
    return models, off


def estimate_loss(
    metric: str,
    X: Array,
    answers: Array,
    models: LossModels,
    *,
    days: int,
    off: Array | None = None,
    weights: Array | None = None,
    level: float = 0.95,
) -> Estimate:
    """Estimate a metric of rows whose outcomes are not known.

    The interval holds what rows, days and the model's own learning leave open, and what held-out
    rows that are like these say otherwise.

    Args:
        X, answers: As for `learn_losses`; rows whose answer is no number are left out.
        days: How many blocks of time the rows span.
        off: Of some held-out rows, loss − what the model said unseen, shape (sample,).
        weights: How much more often each of those would be met among the new rows, 1 on average.
    """
    loss = LOSSES[metric]
    known = np.isfinite(answers)
    if not known.any() or loss not in models.texts:
        return Estimate(value=nan, low=nan, high=nan, n=int(known.sum()), level=level)
    told = np.maximum(_said(models.texts[loss], models.columns, np.column_stack([X[known], answers[known]])), 0.0)
    mean, rows = float(told.mean()), len(told)
    variance = models.doubt[loss] + models.doubt_per_day[loss] / max(days, 1)
    per_row = models.doubt_per_row[loss]
    if off is not None and weights is not None and len(off) == len(weights):
        variance += doubt_of_mean(off, weights)
        per_row = max(per_row, float(np.mean(weights * off**2)))
    variance += (per_row + float(told.var())) / rows
    reach = float(ndtri(0.5 + level / 2)) * sqrt(variance)
    low, high = max(mean - reach, 0.0), mean + reach
    if metric == "rmse":
        value = sqrt(mean)
        return Estimate(value=value, low=sqrt(low), high=sqrt(high), n=rows, se=sqrt(variance) / (2 * value) if value else nan, level=level)
    return Estimate(value=mean, low=low, high=high, n=rows, se=sqrt(variance), level=level)


def fits(metric: str, models: LossModels) -> bool:
    """Whether the metric can be estimated by these models."""
    return LOSSES.get(metric, "") in models.texts and all(isfinite(value) for value in models.doubt.values())


def _grown(design: Array, loss: Array) -> str:
    import lightgbm  # two seconds, and only the job that learns needs it: what was learnt is read without

    return str(lightgbm.train(_SMALL, lightgbm.Dataset(design, loss), num_boost_round=_TREES).model_to_string())


def _unseen(design: Array, loss: Array) -> Array:
    unseen = np.empty_like(loss)
    for fold in np.array_split(np.arange(len(loss)), FOLDS):
        others = np.ones(len(loss), dtype=np.bool_)
        others[fold] = False
        unseen[fold] = _said(_grown(design[others], loss[others]), design.shape[1], design[fold])
    return np.maximum(unseen, 0.0)


def _said(text: str, columns: int, design: Array) -> Array:
    fields = tuple(Field(name=str(place), kind=Kind.FLOAT) for place in range(columns))
    return LightgbmScorer(text.encode(), Signature(inputs=(), features=fields, task=Task.REGRESSION)).score(np.ascontiguousarray(design))
