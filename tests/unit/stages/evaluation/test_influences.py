"""Influences are derivatives: they add up to nothing, and tell what leaving a row out does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import rows_of

from noria.core.schema import MARKED_TASKS, Task
from noria.stages.evaluation.metrics import METRICS, Metric, names_for

SMOOTH = [(task, METRICS[name]) for task in MARKED_TASKS for name in names_for(task) if METRICS[name].smooth]
STEPPED = {"median_ae", "ae_90", "ks", "lift_10", "alert_precision", "alert_recall", "separation", "calinski_harabasz"}
WHOLE_GROUPS = {Task.RANKING}


@pytest.mark.parametrize(("task", "known"), SMOOTH, ids=lambda part: getattr(part, "name", str(part)))
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_influences_add_up_to_nothing(task: Task, known: Metric, seed: int) -> None:
    y, score, told = rows_of(task, seed, 200)
    measured = known.measured(y, score, told)
    assert measured.influence.shape == (200,)
    scale = max(1.0, abs(measured.value), np.abs(measured.influence).sum())
    assert measured.influence.sum() == pytest.approx(0.0, abs=1e-7 * scale)


@pytest.mark.parametrize(
    ("task", "known"),
    [(task, known) for task, known in SMOOTH if known.name not in STEPPED and task not in WHOLE_GROUPS],
    ids=lambda part: getattr(part, "name", str(part)),
)
def test_an_influence_tells_what_leaving_the_row_out_does(task: Task, known: Metric) -> None:
    y, score, told = rows_of(task, 3, 600)
    whole = known.measured(y, score, told)
    places = np.arange(0, 600, 25)
    kept = [np.delete(np.arange(600), at) for at in places]
    left_out = np.array([whole.value - known.value(y[rest], score[rest], told.at(rest)) for rest in kept])
    assert left_out == pytest.approx(whole.influence[places], rel=0.05, abs=0.02 * np.abs(whole.influence).max())


@pytest.mark.parametrize("name", names_for(Task.RANKING))
def test_a_querys_influence_tells_what_leaving_it_out_does(name: str) -> None:
    y, score, told = rows_of(Task.RANKING, 3, 1_200)
    known = METRICS[name]
    whole = known.measured(y, score, told)
    assert told.groups is not None
    for query in range(0, 100, 9):
        rest = np.flatnonzero(told.groups != query)
        left_out = whole.value - known.value(y[rest], score[rest], told.at(rest))
        assert left_out == pytest.approx(whole.influence[told.groups == query].sum(), rel=0.05, abs=1e-4), query


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in MARKED_TASKS for name in names_for(task) if name in STEPPED])
def test_influences_of_steps_have_the_spread_of_resamples(task: Task, name: str) -> None:
    y, score, told = rows_of(task, 11, 4_000)
    known = METRICS[name]
    random = np.random.default_rng(5)
    values = []
    for _ in range(150):
        rows = random.integers(len(y), size=len(y))
        values.append(known.value(y[rows], score[rows], told.at(rows)))
    ours = float(np.sqrt((known.measured(y, score, told).influence ** 2).sum()))
    assert ours == pytest.approx(np.std(values), rel=0.3)
