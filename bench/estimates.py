"""How often the interval of an estimate holds what outcomes later say: python bench/estimates.py [RUNS]

Simulated: rows of 14 days whose inputs have moved by some standard deviations, days that differ,
and whose relation to the outcome is the old one. For CBPE (two classes, three classes) and DLE
(numbers); the last column is the interval as it is without doubt about what was learnt.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier, LGBMRegressor

from noria.core.schema import Task
from noria.stages.evaluation.metrics import metric
from noria.stages.monitoring.calibration import calibrate, unseen_chances
from noria.stages.monitoring.doubt import doubt_of_chances, square
from noria.stages.monitoring.estimated import estimate
from noria.stages.monitoring.estimated_classes import calibrate_classes, estimate_classes
from noria.stages.monitoring.estimated_loss import estimate_loss, learn_losses
from noria.stages.monitoring.trust import MOST_ROWS, Light, trust

PER_DAY, HELD_DAYS, WINDOW_DAYS = 150, 20, 14
SMALL = {"n_estimators": 60, "num_leaves": 15, "num_threads": 1, "verbose": -1, "random_state": 7}
METRICS = {
    Task.BINARY: ("roc_auc", "accuracy", "log_loss"),
    Task.MULTICLASS: ("roc_auc", "accuracy", "log_loss"),
    Task.REGRESSION: ("mae", "rmse"),
}
NAMES = {Task.BINARY: "CBPE, 2 classes", Task.MULTICLASS: "CBPE, 3 classes", Task.REGRESSION: "DLE"}


def world(random, days, shift, day_sd, task):
    rows = days * PER_DAY
    X = random.normal(size=(rows, 4)) + np.array([shift, shift, 0, 0]) + np.repeat(random.normal(0, day_sd, (days, 4)), PER_DAY, 0)
    day = np.repeat(np.arange(days), PER_DAY)
    common = random.normal(0, day_sd, days)[day]
    signal = X @ np.array([1.2, -1.0, 0.6, 0.0]) + 0.5 * X[:, 0] * X[:, 1] + 0.4 * np.abs(X[:, 2]) - 0.4
    if task is Task.REGRESSION:
        y = signal + common + random.normal(size=rows) * np.exp(0.4 * X[:, 0] - 0.3)
    elif task is Task.BINARY:
        y = (random.random(rows) < 1 / (1 + np.exp(-signal - common))).astype(float)
    else:
        odds = np.column_stack([signal + common, 0.8 * X[:, 1] - 0.5 * X[:, 3], np.zeros(rows)])
        y = (odds + random.gumbel(size=odds.shape)).argmax(axis=1).astype(float)
    return X, y, day


def one(seed, shift, day_sd, task):
    """The light; and per metric (estimate with doubt, estimate without, realised)."""
    random = np.random.default_rng(seed)
    X, y, _ = world(random, 40, 0, day_sd, task)
    model = (LGBMRegressor if task is Task.REGRESSION else LGBMClassifier)(**SMALL).fit(X, y)

    def answer(X):
        if task is Task.REGRESSION:
            return model.predict(X)
        chances = model.predict_proba(X)
        return chances[:, 1] if task is Task.BINARY else chances

    held, y_held, days = world(random, HELD_DAYS, 0, day_sd, task)
    new, y_new, _ = world(random, WINDOW_DAYS, shift, day_sd, task)
    kept = np.sort(random.choice(len(held), MOST_ROWS, replace=False))
    names = [f"x{k}" for k in range(4)]
    light = trust(pl.DataFrame(held[kept], schema=names), pl.DataFrame(new, schema=names))
    weights, scores, found = np.array(light.weights), answer(new), {}
    if task is Task.REGRESSION:
        models, off = learn_losses(held, answer(held), y_held, days)
        known = replace(models, doubt=dict.fromkeys(models.doubt, 0.0), doubt_per_day=dict.fromkeys(models.doubt, 0.0))
        for name in METRICS[task]:
            loss = {"mae": "absolute", "rmse": "squared"}[name]
            sure = estimate_loss(name, new, scores, known, days=WINDOW_DAYS)
            found[name] = (estimate_loss(name, new, scores, models, days=WINDOW_DAYS, off=off[loss][kept], weights=weights), sure)
    else:
        many = task is Task.MULTICLASS
        told = answer(held) if many else answer(held)[:, None]
        outcomes = [(y_held == (k if many else 1)).astype(float) for k in range(told.shape[1])]
        learnt = calibrate_classes(y_held, told, days) if many else (calibrate(y_held, told[:, 0], days),)
        doubts = [
            square(c.doubt)
            + square(c.doubt_per_day) / WINDOW_DAYS
            + doubt_of_chances(came[kept], unseen_chances(came, told[:, k], c)[kept], weights)
            for k, (c, came) in enumerate(zip(learnt, outcomes, strict=True))
        ]
        for name in METRICS[task]:
            if many:
                found[name] = (estimate_classes(name, scores, learnt, doubts=doubts), estimate_classes(name, scores, learnt))
            else:
                found[name] = (estimate(name, scores, learnt[0], doubt=doubts[0]), estimate(name, scores, learnt[0]))
    return light.light, {name: (*both, metric(name, task).value(y_new, scores)) for name, both in found.items()}


def main(runs: int) -> None:
    print(f"{'':16} {'shift':>5} {'days':>5}  {'lights g/a/r':>12}  covered by the interval (mean error, width), without doubt")
    for task in METRICS:
        for shift, day_sd in ((0.0, 0.0), (0.0, 0.3), (0.5, 0.3), (1.0, 0.0), (1.0, 0.3), (1.5, 0.0)):
            seen = [one(seed, shift, day_sd, task) for seed in range(runs)]
            lights = [sum(light is wanted for light, _ in seen) for wanted in Light]
            shown = [found for light, found in seen if light is not Light.RED]
            said = []
            for name in METRICS[task]:
                marks = [found[name] for found in shown]
                within = sum(e.low <= real <= e.high for e, _, real in marks)
                before = sum(e.low <= real <= e.high for _, e, real in marks)
                error, width = (
                    np.mean(v) if v else np.nan for v in ([abs(e.value - r) for e, _, r in marks], [e.high - e.low for e, _, _ in marks])
                )
                said.append(f"{name} {within}/{len(marks)} ({error:.3f}, {width:.3f}), {before}")
            print(f"{NAMES[task]:16} {shift:5.1f} {day_sd:5.1f}  {'/'.join(map(str, lights)):>12}  {'; '.join(said)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
