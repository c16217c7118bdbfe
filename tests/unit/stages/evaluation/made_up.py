"""Rows of every task, made up."""

import numpy as np

from noria.core.costs import Costs
from noria.core.schema import Task
from noria.stages.evaluation.given import PLAIN, Given

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def rows_of(task: Task, seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, Given]:
    """Outcomes, scores and what else is known."""
    random = np.random.default_rng(seed)
    if task in (Task.REGRESSION, Task.FORECAST):
        y = random.normal(50, 10, size=rows)
        series = np.arange(rows) % 5
        given = Given(series=series, baseline=y + random.normal(0, 9, size=rows), scale=4.0 + series, rms_scale=5.0 + series)
        return y, y + random.normal(1, 5, size=rows), PLAIN if task is Task.REGRESSION else given
    if task is Task.QUANTILE:
        score = random.normal(size=rows)[:, None] + np.sort(random.normal(size=(rows, len(LEVELS))), axis=1)
        return score.mean(axis=1) + random.normal(size=rows), score, Given(levels=LEVELS)
    if task is Task.RANKING:
        y = random.integers(0, 4, size=rows).astype(float) * (random.random(rows) < 0.4)
        return y, y + random.normal(0, 2, size=rows), Given(groups=random.integers(0, max(1, rows // 12), size=rows))
    if task is Task.MULTILABEL:
        score = random.random((rows, 4))
        return (random.random((rows, 4)) < score**2).astype(float), np.round(score, 3), PLAIN
    if task is Task.CLUSTERING:
        truth = random.integers(0, 3, size=rows)
        points = random.normal(size=(rows, 3)) + 2.5 * np.eye(3)[truth]
        said = np.where(random.random(rows) < 0.8, truth, random.integers(0, 3, size=rows))
        return truth.astype(float), said.astype(float), Given(points=points)
    if task is Task.ANOMALY:
        y = (random.random(rows) < 0.1).astype(float)
        return y, random.normal(size=rows) + 1.5 * y, Given(budget=0.1, alarm=1.0)
    logits = random.normal(size=(rows, 4 if task is Task.MULTICLASS else 2))
    y = (1.5 * logits + random.gumbel(size=logits.shape)).argmax(axis=1).astype(float)
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    costs = Costs(false_positive=1, false_negative=4)
    return (y, odds, PLAIN) if task is Task.MULTICLASS else (y, np.round(odds[:, 1], 2), Given(costs=costs, threshold=0.3))
