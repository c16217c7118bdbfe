from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from noria.core.declaration.training import Split
from noria.core.errors import JobFailed
from noria.stages.training.fit import fit

SPLIT = Split(X=np.zeros((2, 1)), y=np.zeros(2), columns=("a",), categorical=(), frame=None)


def test_the_same_seed_draws_the_same_numbers() -> None:
    def train(split: Split, params: dict[str, Any]) -> object:
        return random.random(), np.random.random()

    assert fit(train, SPLIT, {}, seed=3) == fit(train, SPLIT, {}, seed=3) != fit(train, SPLIT, {}, seed=4)


def test_train_may_do_what_it_likes_with_its_params() -> None:
    params = {"depth": 3}
    assert fit(lambda split, given: given.pop("depth"), SPLIT, params, seed=1) == 3
    assert params == {"depth": 3}


def test_a_crash_shows_the_users_frames_only() -> None:
    def deeper() -> None:
        np.linalg.inv(np.zeros((2, 3)))

    def train(split: Split, params: dict[str, Any]) -> object:
        return deeper()

    with pytest.raises(JobFailed, match=r"train\(\) raised LinAlgError") as caught:
        fit(train, SPLIT, {}, seed=1)
    said = caught.value.traceback
    assert "in train" in said and "in deeper" in said and "LinAlgError" in said
    assert "in fit\n" not in said and "linalg/" not in said


def test_a_crash_before_the_users_first_line_is_told_too() -> None:
    with pytest.raises(JobFailed, match="TypeError") as caught:
        fit(lambda: None, SPLIT, {}, seed=1)  # type: ignore[arg-type,misc]
    assert "TypeError" in caught.value.traceback


def test_returning_nothing_is_a_failure_with_a_fix() -> None:
    with pytest.raises(JobFailed, match="returned None") as caught:
        fit(lambda split, params: None, SPLIT, {}, seed=1)
    assert "return model" in caught.value.fix
