"""A served version answers rows with the features that it saw, and a faulty one with its fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from noria.core.errors import DeclarationInvalid
from noria.core.schema import Task
from noria.stages.serving.family import loader
from noria.stages.serving.faults import Faulty
from noria.stages.serving.model import Served, finite, spoken


class Echo:
    """Answers the first feature."""

    def score(self, matrix):
        return matrix[:, 0]


class Three:
    def score(self, matrix):
        return np.tile([0.2, 0.5, 0.3], (len(matrix), 1))


class Winds:
    def served(self, rows, now_ms):
        return {"wind": [now_ms / 1_000] * len(rows)}


ROWS = [{"tail": "N1", "distance": 0.25}, {"tail": "N2", "distance": None}]


def test_answers_come_with_the_looked_up_columns(office) -> None:
    served = Served(office.version(1), scorer=Echo(), lookup=Winds())
    answers, columns = served.answer(ROWS[:1], 5_000)
    assert answers == [0.25]
    assert columns == {"wind": [5.0]}


def test_a_missing_value_reaches_the_model_as_nan(office) -> None:
    answers, _ = Served(office.version(1), scorer=Echo(), lookup=Winds()).answer(ROWS, 1)
    assert answers[0] == 0.25
    assert np.isnan(answers[1])


def test_a_version_without_lookup_sees_its_inputs_alone(office) -> None:
    served = loader(lambda artifact: Echo(), lambda version: None, None)(office.version(1))
    assert served.answer(ROWS[:1], 1) == ([0.25], {})


def test_probabilities_are_tuples_and_spoken_by_class(office) -> None:
    version = office.version(1)
    signature = replace(version.signature, task=Task.MULTICLASS, classes=("a", "b", "c"))
    answers, _ = Served(replace(version, signature=signature), scorer=Three(), lookup=Winds()).answer(ROWS, 1)
    assert answers == [(0.2, 0.5, 0.3)] * 2
    assert spoken(signature, answers[0]) == ({"a": 0.2, "b": 0.5, "c": 0.3}, "b")


def test_a_binary_score_is_spoken_with_its_label_and_a_value_without(office) -> None:
    signature = office.version(1).signature
    assert spoken(signature, 0.5) == (0.5, "late")
    assert spoken(signature, 0.49) == (0.49, "on-time")
    assert spoken(replace(signature, threshold=0.1), 0.1) == (0.1, "late")
    assert spoken(replace(signature, threshold=1.1), 1.0) == (1.0, "on-time")
    assert spoken(replace(signature, task=Task.REGRESSION, classes=()), 12.5) == (12.5, None)


@pytest.mark.parametrize(
    ("answer", "good"),
    [(0.5, True), (float("nan"), False), (float("-inf"), False), (None, False), ((0.5, 0.5), True), ((0.5, float("nan")), False)],
)
def test_only_finite_answers_may_be_given(answer, good) -> None:
    assert finite(answer) is good


def faulty(office, fault: str, **doing) -> Faulty:
    return Faulty(Served(office.version(1, fault=fault), scorer=Echo(), lookup=Winds()), **doing)


def test_without_a_fault_answers_are_the_versions_own(office) -> None:
    assert faulty(office, "").answer(ROWS[:1], 1, 40.0)[0] == [0.25]


def test_a_wrong_version_answers_the_opposite(office) -> None:
    assert faulty(office, "wrong").answer(ROWS[:1], 1, 40.0)[0] == [0.75]


def test_a_slow_version_sleeps_twice_the_timeout(office) -> None:
    slept: list[float] = []
    faulty(office, "slow", sleep=slept.append).answer(ROWS[:1], 1, 40.0)
    assert slept == [0.08]


def test_a_crashing_version_ends_its_process_at_the_twentieth_row(office) -> None:
    ended: list[int] = []
    version = faulty(office, "crash", end=ended.append)
    for _ in range(19):
        version.answer(ROWS[:1], 1, 40.0)
    assert ended == []
    version.answer(ROWS[:1], 1, 40.0)
    assert ended == [70]


def test_an_unknown_fault_is_refused(office) -> None:
    with pytest.raises(DeclarationInvalid, match="there is no fault 'explode'"):
        faulty(office, "explode")
