"""LightGBM and XGBoost tell a run their parameters, every evaluation and what the model leans on, through their own callbacks."""

import pickle

import lightgbm
import numpy as np
import pytest
import xgboost

from noria.client.frameworks.lightgbm import LightgbmObserver
from noria.client.frameworks.xgboost import XgboostObserver

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(300, 3))
y = (X[:, 0] + 0.2 * RANDOM.normal(size=300) > 0).astype(int)


def test_lightgbm_tells_every_evaluation_and_stops_early_as_ever(run):
    data = lightgbm.Dataset(X[:200], y[:200], feature_name=["a", "b", "c"], params={"verbose": -1})
    recorded = {}
    booster = lightgbm.train(
        {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1, "learning_rate": 0.3, "num_threads": 1},
        data,
        num_boost_round=60,
        valid_sets=[data, lightgbm.Dataset(X[200:], y[200:], reference=data)],
        valid_names=["train", "valid"],
        callbacks=[lightgbm.early_stopping(3, verbose=False), lightgbm.record_evaluation(recorded), LightgbmObserver(run)],
    )
    run.finish()
    losses = run.curve("valid-binary_logloss")
    assert len(losses) == len(run.curve("train-auc")) == booster.best_iteration + 3 < 60
    assert losses == recorded["valid"]["binary_logloss"]
    assert run.given["learning_rate"] == 0.3
    assert run.curve("best_iteration") == [booster.best_iteration]
    assert run.texts["importance/gain.csv"].splitlines()[1].startswith("a,")


def test_lightgbm_estimators_and_cross_validation_take_the_same_callback(run):
    lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, y, eval_X=X, eval_y=y, callbacks=[LightgbmObserver(run)])
    assert len(run.curve("valid_0-binary_logloss")) == 5
    lightgbm.cv(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(X, y, params={"verbose": -1}),
        num_boost_round=4,
        nfold=3,
        callbacks=[LightgbmObserver(run)],
    )
    assert len([name for name, _, _ in run.points if name.endswith("-stdv")]) == 4


def test_an_observer_that_fails_ends_no_training(run, caplog):
    run.log = None
    booster = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)
    booster.fit(X, y, eval_X=X, eval_y=y, callbacks=[LightgbmObserver(run)])
    assert booster.n_estimators_ == 5
    assert len(caplog.records) == 1


def test_observers_go_to_other_processes(run):
    run.points = []
    assert pickle.loads(pickle.dumps(LightgbmObserver(None))) is not None
    assert pickle.loads(pickle.dumps(XgboostObserver(None))) is not None


def test_xgboost_tells_every_evaluation(run):
    data = xgboost.DMatrix(X[:200], y[:200], feature_names=["a", "b", "c"])
    valid = xgboost.DMatrix(X[200:], y[200:], feature_names=["a", "b", "c"])
    xgboost.train(
        {"objective": "binary:logistic", "eta": 0.3, "max_depth": 3, "nthread": 1, "eval_metric": ["auc", "logloss"]},
        data,
        num_boost_round=8,
        evals=[(data, "train"), (valid, "valid")],
        verbose_eval=False,
        callbacks=[XgboostObserver(run)],
    )
    assert len(run.curve("valid-logloss")) == len(run.curve("train-auc")) == 8
    assert run.given["objective"] == "binary:logistic"
    assert float(run.given["max_depth"]) == 3
    assert float(run.given["eta"]) == pytest.approx(0.3, abs=1e-6)
    assert run.texts["importance/gain.csv"].splitlines()[1].startswith("a,")


def test_xgboost_estimators_and_cross_validation_take_the_same_callback(run):
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1, callbacks=[XgboostObserver(run)])
    model.fit(X, y, eval_set=[(X, y)], verbose=False)
    assert len(run.curve("validation_0-logloss")) == 5
    xgboost.cv({"nthread": 1}, xgboost.DMatrix(X, y), num_boost_round=3, nfold=3, callbacks=[XgboostObserver(run)])
    assert len(run.curve("test-rmse-stdv")) == 3
