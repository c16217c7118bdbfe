"""Each trial of a study is a run inside the study's, with its own times, whatever became of it."""

import optuna
import pytest

from noria.client.frameworks.optuna import OptunaObserver

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    trial.report(x, step=3)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise RuntimeError("broken")
    trial.set_user_attr("rows", 7)
    return x * x


def test_trials_become_runs(run):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=6, catch=(RuntimeError,), callbacks=[OptunaObserver(run)])
    run.finish()
    assert [child.status for child in run.children] == ["FINISHED", "KILLED", "FAILED", "FINISHED", "FINISHED", "FINISHED"]
    assert run.children[0].given == study.trials[0].params
    assert ("intermediate", 3, study.trials[0].params["x"]) in run.children[0].points
    assert run.children[0].tagged["rows"] == 7
    assert run.children[0].ended_at == int(study.trials[0].datetime_complete.timestamp() * 1000)
    assert run.curve("best_value")[-1] == study.best_value
    assert run.tagged["best.x"] == pytest.approx(study.best_params["x"])
    assert len(run.texts["trials.json"]) == 6


def test_threads_and_several_goals_are_told_too(run):
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=8, n_jobs=2, callbacks=[OptunaObserver(run)])
    run.finish()
    assert len(run.children) == 8
    assert len(run.curve("value_1")) == 8
