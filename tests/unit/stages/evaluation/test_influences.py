"""Influences are derivatives: they add up to nothing, and tell what leaving a row out does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.schema import Task
from noria.stages.evaluation.metrics import METRICS, Metric, names_for

SMOOTH = [(task, METRICS[name]) for task in Task for name in names_for(task) if METRICS[name].resampled is None]
STEPPED = {"median_ae"}


def rows_of(task: Task, seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    if task is Task.REGRESSION:
        y = random.normal(50, 10, size=rows)
        return y, y + random.normal(1, 5, size=rows)
    logits = random.normal(size=(rows, 3 if task is Task.MULTICLASS else 2))
    y = (1.5 * logits + random.gumbel(size=logits.shape)).argmax(axis=1).astype(float)
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, odds if task is Task.MULTICLASS else np.round(odds[:, 1], 2)


@pytest.mark.parametrize(("task", "known"), SMOOTH, ids=lambda part: getattr(part, "name", str(part)))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_influences_add_up_to_nothing(task: Task, known: Metric, seed: int) -> None:
    y, score = rows_of(task, seed, 200)
    measured = known.measured(y, score)
    assert measured.influence.shape == y.shape
    assert measured.influence.sum() == pytest.approx(0.0, abs=1e-9 * max(1.0, abs(measured.value)))


@pytest.mark.parametrize(
    ("task", "known"), [pair for pair in SMOOTH if pair[1].name not in STEPPED], ids=lambda part: getattr(part, "name", str(part))
)
def test_an_influence_tells_what_leaving_the_row_out_does(task: Task, known: Metric) -> None:
    y, score = rows_of(task, 3, 600)
    whole = known.measured(y, score)
    places = np.arange(0, 600, 25)
    left_out = np.array([whole.value - known.value(np.delete(y, at), np.delete(score, at, axis=0)) for at in places])
    assert left_out == pytest.approx(whole.influence[places], rel=0.05, abs=0.02 * np.abs(whole.influence).max())
