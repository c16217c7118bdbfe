"""A large LightGBM model as a graph answers as the library does, missing values and all; a small one stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor

from noria.adapters.files import Files
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import lightgbm_trees, package

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(1_500, 5))
X[::7, 2] = np.nan
X[:, 4] = RANDOM.integers(0, 12, len(X))
CLASSES = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("a", "b", "c"), Task.REGRESSION: ()}
FEATURES = tuple(Field(name=f"f{n}", kind=Kind.FLOAT) for n in range(5))


def fitted(task: Task, trees: int, **options):
    value = np.nan_to_num(X[:, 0] + X[:, 2] + (X[:, 4] % 3))
    if task is Task.REGRESSION:
        return LGBMRegressor(n_estimators=trees, verbose=-1, n_jobs=1).fit(X, value, **options)
    y = np.digitize(value, np.quantile(value, [0.3, 0.6])) if task is Task.MULTICLASS else (value > np.median(value)).astype(int)
    return LGBMClassifier(n_estimators=trees, verbose=-1, n_jobs=1).fit(X, y, **options)


@pytest.mark.parametrize("task", list(CLASSES))
def test_many_leaves_are_served_as_a_graph_that_answers_alike(task: Task, tmp_path: Path) -> None:
    signature = Signature(inputs=FEATURES, features=FEATURES, task=task, classes=CLASSES[task])
    content = fitted(task, 120).booster_.model_to_string().encode()
    assert lightgbm_trees.gains(content)
    blobs = Files(tmp_path / "blobs")
    native = package.open_scorer("lightgbm", content, signature)
    graph = package.open_scorer("onnx", lightgbm_trees.compile_document(content, 5), signature)
    np.testing.assert_allclose(graph.score(X), native.score(X), rtol=1e-14, atol=1e-14)
    packed = package.save(content, signature, X, blobs=blobs, scratch=tmp_path)
    assert packed.format == "lightgbm"
    assert packed.parity_max_diff < 1e-12
    np.testing.assert_allclose(package.load(packed.artifact, blobs=blobs).score(X), native.score(X), rtol=1e-12, atol=1e-12)


def test_few_leaves_stay_with_the_library(tmp_path: Path) -> None:
    signature = Signature(inputs=FEATURES, features=FEATURES, task=Task.BINARY, classes=CLASSES[Task.BINARY])
    packed = package.save(fitted(Task.BINARY, 20), signature, X, blobs=Files(tmp_path / "blobs"), scratch=tmp_path)
    assert (packed.serving_form, packed.note) == ("lightgbm", "")


def test_categories_stay_with_the_library_and_the_package_says_why(tmp_path: Path) -> None:
    signature = Signature(inputs=FEATURES, features=FEATURES, task=Task.BINARY, classes=CLASSES[Task.BINARY])
    model = fitted(Task.BINARY, 150, categorical_feature=[4])
    packed = package.save(model, signature, X, blobs=Files(tmp_path / "blobs"), scratch=tmp_path)
    assert packed.serving_form == "lightgbm"
    assert "categorical splits" in packed.note
