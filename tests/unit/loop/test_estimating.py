"""Estimates of rows whose inputs have moved, from what is kept of a version's held-out rows: coverage by simulation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from noria.core.schema import Signature, Task
from noria.core.watching import DriftReference
from noria.loop.estimating import Held, estimator
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring.calibration import calibrate, unseen_chances
from noria.stages.monitoring.estimated import estimate
from noria.stages.monitoring.trust import MOST_ROWS, Light, trust

DAYS, PER_DAY = 14, 100
BINARY = Signature(inputs=(), features=(), task=Task.BINARY, classes=("no", "yes"))
NAMES = ["x0", "x1", "x2"]


def drawn(random, shift=0.0):
    """Rows of some days that differ a little, and what a model says of them that knows nothing of how two features go together."""
    X = random.normal(size=(DAYS * PER_DAY, 3)) + np.array([shift, shift, 0.0])
    days = np.repeat(np.arange(DAYS), PER_DAY)
    odds = 1.2 * X[:, 0] - X[:, 1] + 0.5 * X[:, 0] * X[:, 1] + random.normal(0, 0.2, DAYS)[days]
    return X, (random.random(len(X)) < expit(odds)).astype(float), expit(1.1 * X[:, 0] - 0.9 * X[:, 1]), days


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_intervals_hold_what_outcomes_say_whether_inputs_have_moved_or_not(shift):
    covered, known, runs = {"roc_auc": 0, "accuracy": 0}, {"roc_auc": 0, "accuracy": 0}, 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        X, y, score, days = drawn(random)
        kept = np.sort(random.choice(len(y), MOST_ROWS, replace=False))
        calibration = calibrate(y, score, days)
        chance = unseen_chances(y, score, calibration)
        held = Held(sample=pl.DataFrame(X[kept], schema=NAMES), judged=pl.DataFrame({"outcome": y[kept], "chance": chance[kept]}))
        reference = DriftReference(chunk="1d", rows=len(y), features=(), score=None, calibration=calibration)
        new, came, answered, _ = drawn(random, shift)
        light = trust(held.sample, pl.DataFrame(new, schema=NAMES))
        if light.light is Light.RED:
            continue
        runs += 1
        for name in covered:
            ask = estimator(name, BINARY, reference, held, X=lambda new=new: new, scores=answered, days=DAYS)
            assert ask is not None
            real, found, sure = metric(name, Task.BINARY).value(came, answered), ask(light), estimate(name, answered, calibration)
            covered[name] += found.low <= real <= found.high
            known[name] += sure.low <= real <= sure.high
    assert runs >= 25
    assert min(covered.values()) >= 0.87 * runs
    assert sum(covered.values()) > sum(known.values())


def test_what_was_never_learnt_is_not_estimated():
    reference = DriftReference(chunk="1d", rows=1, features=(), score=None)
    held = Held(sample=pl.DataFrame({"x0": [1.0]}))
    for task, name in ((Task.BINARY, "roc_auc"), (Task.MULTICLASS, "accuracy"), (Task.REGRESSION, "mae")):
        asked = Signature(inputs=(), features=(), task=task)
        assert estimator(name, asked, reference, held, X=lambda: np.empty((0, 1)), scores=np.empty(0), days=1) is None
