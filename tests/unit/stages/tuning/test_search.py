from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.declaration.training import Tune, choice, integer, log, real
from noria.core.errors import JobFailed
from noria.core.training import Param, Trial
from noria.stages.tuning.search import fixed, search

SPACE: dict[str, Any] = {"leaves": integer(2, 9), "rate": log(0.01, 1.0), "share": real(0, 1), "kind": choice("a", "b"), "depth": 4}


def valley(params: dict[str, Param]) -> float:
    return (float(params["share"]) - 0.3) ** 2 + (params["kind"] == "b") + abs(float(params["leaves"]) - 5)


def seek(tune: Tune, objective: Any = valley, **more: Any) -> Any:
    return search(tune, objective, **{"metric": "loss", "higher_is_better": False, "seed": 7, **more})


@settings(max_examples=20, deadline=None)
@given(low=st.integers(-5, 5), width=st.integers(0, 9), seed=st.integers(0, 2**31))
def test_every_proposal_lies_in_the_space(low: int, width: int, seed: int) -> None:
    tune = Tune({"n": integer(low, low + width), "r": log(0.1, 0.5), "c": choice(1, "x", True), "fix": 2.5}, trials=4)
    for trial in seek(tune, lambda params: float(params["n"]), seed=seed, isolated=False).trials:
        assert low <= trial.params["n"] <= low + width and isinstance(trial.params["n"], int)
        assert 0.1 <= trial.params["r"] <= 0.5 and trial.params["c"] in (1, "x", True) and trial.params["fix"] == 2.5


def test_the_best_trial_is_the_recipe_in_either_direction() -> None:
    tune = Tune(SPACE, trials=30)
    low = seek(tune, isolated=False)
    assert low.metric == "loss" and valley(dict(low.params)) == min(trial.value for trial in low.trials)
    assert low.params["leaves"] == 5 and low.params["depth"] == 4
    high = seek(tune, isolated=False, higher_is_better=True)
    assert valley(dict(high.params)) == max(trial.value for trial in high.trials)


def test_first_guesses_are_tried_first() -> None:
    tune = Tune(SPACE, trials=3, first=[{"leaves": 9, "rate": 0.5, "share": 0.25, "kind": "b", "depth": 99}])
    first = seek(tune, isolated=False).trials[0]
    assert first.params == {"leaves": 9, "rate": 0.5, "share": 0.25, "kind": "b", "depth": 4}


def test_which_trial_finishes_first_changes_nothing() -> None:
    def jittery(params: dict[str, Param]) -> float:
        time.sleep(int.from_bytes(os.urandom(1), "big") / 5_000)
        return valley(params)

    runs = [seek(Tune(SPACE, trials=14, parallel=3), jittery) for _ in range(2)]
    assert [(trial.number, trial.params, trial.value) for trial in runs[0].trials] == [
        (trial.number, trial.params, trial.value) for trial in runs[1].trials
    ]
    assert runs[0].params == runs[1].params


def test_progress_is_told_in_order() -> None:
    told: list[Trial] = []
    recipe = seek(Tune(SPACE, trials=5), progress=told.append)
    assert tuple(told) == recipe.trials and [trial.number for trial in told] == list(range(5))


def test_trials_run_beside_each_other_in_processes_of_their_own() -> None:
    meeting = multiprocessing.get_context("fork").Barrier(2, timeout=20)

    def together(params: dict[str, Param]) -> float:
        meeting.wait()
        return float(os.getpid())

    recipe = seek(Tune({"n": integer(0, 9)}, trials=4, parallel=2), together)
    pids = {trial.value for trial in recipe.trials}
    assert len(pids) == 4 and os.getpid() not in pids


def test_a_trial_that_crashes_hangs_or_talks_nonsense_is_only_a_failed_trial() -> None:
    def risky(params: dict[str, Param]) -> float:
        kind = params["kind"]
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        if kind == "exit":
            os._exit(3)
        if kind == "raise":
            raise ValueError("no such water")
        if kind == "user":
            raise JobFailed("train() raised", traceback="line of mine")
        return float("nan") if kind == "nan" else 1.0

    kinds = ["killed", "hang", "exit", "raise", "user", "nan", "good"]
    tune = Tune({"kind": choice(*kinds)}, trials=7, parallel=3, timeout_s=1.5, first=[{"kind": kind} for kind in kinds])
    recipe = seek(tune, risky)
    said = {trial.params["kind"]: (trial.state, trial.error) for trial in recipe.trials}
    assert recipe.params == {"kind": "good"} and said["good"] == ("complete", "")
    assert said["killed"] == ("failed", "its process was killed by SIGKILL")
    assert said["hang"] == ("failed", "timed out after 1.5 s")
    assert said["exit"] == ("failed", "its process ended with exit code 3 and no answer")
    assert said["raise"][1].endswith("ValueError: no such water\n") and "Traceback" in said["raise"][1]
    assert said["user"] == ("failed", "line of mine")
    assert "nan" in said["nan"][1]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("isolated", [True, False])
def test_when_all_trials_fail_the_first_traceback_is_told(isolated: bool) -> None:
    def broken(params: dict[str, Param]) -> float:
        raise ValueError(f"trial with {params['n']}")

    with pytest.raises(JobFailed, match="all 3 trials failed; the first: ValueError: trial with 4") as caught:
        seek(Tune({"n": choice(4)}, trials=3), broken, isolated=isolated)
    assert "in broken" in caught.value.traceback


def test_an_interrupted_search_leaves_no_process_behind() -> None:
    def stop(trial: Trial) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seek(Tune(SPACE, trials=6, parallel=3), lambda params: float(time.sleep(float(params["share"]) / 100) or 1), progress=stop)
    assert not multiprocessing.active_children()


def test_lightgbm_trains_in_children_while_polars_is_busy_in_the_parent() -> None:
    from lightgbm import LGBMClassifier

    X = np.random.default_rng(1).normal(size=(400, 4))
    y = (X[:, 0] > 0).astype(int)
    over = threading.Event()

    def busy() -> None:
        frame = pl.DataFrame({"a": range(20_000), "b": ["x", "y"] * 10_000})
        while not over.is_set():
            frame.group_by("b").agg(pl.col("a").sum()).sort("b")

    def objective(params: dict[str, Param]) -> float:
        model = LGBMClassifier(num_leaves=params["leaves"], n_estimators=5, verbose=-1).fit(X, y)
        return float(model.booster_.predict(X).mean())

    beside = threading.Thread(target=busy)
    beside.start()
    try:
        recipe = seek(Tune({"leaves": integer(2, 31)}, trials=16, parallel=4, timeout_s=30), objective)
    finally:
        over.set()
        beside.join()
    assert [trial.error for trial in recipe.trials] == [""] * 16


def test_trials_may_use_all_cores_after_lightgbm_did_in_the_parent() -> None:
    from lightgbm import LGBMClassifier

    X = np.random.default_rng(1).normal(size=(5_000, 4))

    def objective(params: dict[str, Param]) -> float:
        model = LGBMClassifier(num_leaves=params["leaves"], n_estimators=2, n_jobs=2, verbose=-1).fit(X, X[:, 0] > 0)
        return float(model.n_estimators_)

    for _ in range(2):
        objective({"leaves": 5})
        recipe = seek(Tune({"leaves": integer(2, 9)}, trials=2, parallel=1, timeout_s=20), objective)
        assert [trial.error for trial in recipe.trials] == ["", ""]


def test_a_train_function_that_queries_polars_is_told_instead_of_hanging() -> None:
    frame = pl.DataFrame({"a": range(1_000)}).filter(pl.col("a") > 3)
    with pytest.raises(JobFailed, match="Polars cannot run inside a tuning trial"):
        seek(Tune({"n": integer(0, 9)}, trials=2, timeout_s=20), lambda params: float(frame.filter(pl.col("a") > 9).height))
    assert frame.filter(pl.col("a") > 9).height == 990


def test_each_trial_has_its_share_of_the_cores() -> None:
    def threads(params: dict[str, Param]) -> float:
        return float(os.environ["OMP_NUM_THREADS"])

    recipe = seek(Tune({"n": integer(0, 9)}, trials=2, parallel=1_000), threads)
    assert recipe.trials[0].value == 1.0


def test_without_a_search_the_recipe_is_what_was_declared() -> None:
    recipe = fixed({"depth": 3})
    assert (recipe.params, recipe.trials) == ({"depth": 3}, ())
