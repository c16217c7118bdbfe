"""What a loaded model says of its own answers adds up to them."""

from __future__ import annotations

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from noria.adapters.files import Files
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import package
from noria.stages.evaluation.explanations import explain, told

FIELDS = tuple(Field(name=name, kind=Kind.FLOAT) for name in "abcd")


def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 4))
    X[rng.random(X.shape) < 0.05] = np.nan
    z = np.nan_to_num(X) @ [2.0, -1.0, 0.5, 0.0] + rng.normal(size=400)
    return X, z if task is Task.REGRESSION else np.digitize(z, [0.0] if task is Task.BINARY else [-1.0, 1.0])


def loaded(model, task: Task, tmp_path):
    X, y = data(task)
    classes = {Task.BINARY: ("0", "1"), Task.MULTICLASS: ("low", "middle", "high"), Task.REGRESSION: ()}[task]
    signature = Signature(inputs=FIELDS, features=FIELDS, task=task, classes=classes)
    blobs = Files(tmp_path / "blobs")
    packed = package.save(model.fit(X, y), signature, X[:50], blobs=blobs, scratch=tmp_path)
    return package.load(packed.artifact, blobs=blobs, form="native"), X


SMALL = {"n_estimators": 30, "num_leaves": 7, "verbose": -1, "num_threads": 1}
FILLED = (SimpleImputer(), StandardScaler())


@pytest.mark.parametrize(
    ("model", "task", "method", "scale"),
    [
        (LGBMClassifier(**SMALL), Task.BINARY, "tree-shap", "log-odds"),
        (LGBMClassifier(**SMALL), Task.MULTICLASS, "tree-shap", "score"),
        (LGBMRegressor(**SMALL), Task.REGRESSION, "tree-shap", "value"),
        (make_pipeline(*FILLED, LogisticRegression()), Task.BINARY, "linear", "log-odds"),
        (make_pipeline(*FILLED, Ridge()), Task.REGRESSION, "linear", "value"),
        (make_pipeline(SimpleImputer(), RandomForestClassifier(10, max_depth=3, random_state=1)), Task.BINARY, "permutation", "log-odds"),
        (make_pipeline(*FILLED, LogisticRegression()), Task.MULTICLASS, "permutation", "log-odds"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_base_and_parts_are_the_answer_by_the_method_that_the_model_offers(model, task, method, scale, tmp_path):
    scorer, X = loaded(model, task, tmp_path)
    found = explain(scorer, X[:20], X, place=1 if task is Task.MULTICLASS else 0, budget=2_000)
    assert (found.method, found.scale) == (method, scale)
    assert found.gap < 1e-6
    why = told(found, 0, X[0], scorer.signature, 0.5, version="m@1", background="sha256:x", place=1)
    assert why.base + sum(part.part for part in why.parts) == pytest.approx(why.margin)
    assert [abs(part.part) for part in why.parts] == sorted((abs(part.part) for part in why.parts), reverse=True)
    assert np.abs(found.parts).mean(axis=0).argmax() == 0


def test_counts_whose_logarithm_adds_up_are_explained_on_that_scale(tmp_path):
    scorer, X = _poisson(tmp_path)
    found = explain(scorer, X[:20], X)
    assert found.scale == "log"
    assert found.gap < 1e-6


def _poisson(tmp_path):
    X, y = data(Task.REGRESSION)
    signature = Signature(inputs=FIELDS, features=FIELDS, task=Task.REGRESSION)
    blobs = Files(tmp_path / "blobs")
    model = LGBMRegressor(objective="poisson", **SMALL).fit(X, np.exp(y / 2))
    packed = package.save(model, signature, X[:50], blobs=blobs, scratch=tmp_path)
    return package.load(packed.artifact, blobs=blobs, form="native"), X
