from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected, BlobMissing, RequestInvalid
from noria.core.ids import digest_of
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import package
from noria.packaging.package import Packed
from noria.packaging.parity import TOLERANCE, alike
from noria.ports import wire

NOISE = np.random.default_rng(7)
X = NOISE.normal(size=(400, 4))
X[:, 1] = NOISE.integers(0, 6, len(X))
X[NOISE.random(X.shape) < 0.05] = np.nan
SIGNAL = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) % 2 + NOISE.normal(size=len(X)) / 3
LABELS = {
    Task.BINARY: (SIGNAL > 0.5).astype(int),
    Task.MULTICLASS: np.digitize(SIGNAL, [0.0, 1.0]),
    Task.REGRESSION: SIGNAL * 10,
}
CLASSES = {Task.BINARY: ("on-time", "late"), Task.MULTICLASS: ("a", "b", "c"), Task.REGRESSION: ()}
TREES = {
    Task.BINARY: LGBMClassifier(n_estimators=12, verbose=-1, n_jobs=1),
    Task.MULTICLASS: LGBMClassifier(n_estimators=6, verbose=-1, n_jobs=1),
    Task.REGRESSION: LGBMRegressor(n_estimators=12, verbose=-1, n_jobs=1),
}
for task, model in TREES.items():
    model.fit(X, LABELS[task], categorical_feature=[1])


def signature(task: Task, width: int = 4) -> Signature:
    features = tuple(Field(name=f"f{n}", kind=Kind.FLOAT) for n in range(width))
    return Signature(inputs=features, features=features, task=task, classes=CLASSES[task])


@pytest.fixture
def blobs(tmp_path: Path) -> Files:
    return Files(tmp_path / "blobs")


def save(model: object, task: Task, blobs: Files, tmp_path: Path) -> Packed:
    return package.save(model, signature(task), X, blobs=blobs, scratch=tmp_path)


@pytest.mark.parametrize("task", list(TREES))
def test_lightgbm_answers_as_it_did_in_memory(task: Task, blobs: Files, tmp_path: Path) -> None:
    packed = save(TREES[task], task, blobs, tmp_path)
    assert (packed.format, packed.serving_form, packed.parity_max_diff) == ("lightgbm", "lightgbm", 0.0)
    scorer = package.load(packed.artifact, blobs=blobs)
    expected = TREES[task].booster_.predict(X)
    assert scorer.signature == signature(task)
    np.testing.assert_array_equal(scorer.score(X), expected)
    for rows in (1, 3, 7):
        np.testing.assert_array_equal(scorer.score(X[:rows]), expected[:rows])
    np.testing.assert_array_equal(scorer.score(np.asfortranarray(X)), expected)


@settings(max_examples=40, deadline=None)
@given(row=st.lists(st.floats(-3, 9) | st.just(float("nan")) | st.sampled_from([np.inf, -np.inf, 1e300]), min_size=4, max_size=4))
def test_strange_rows_are_answered_as_lightgbm_answers_them(row: list[float]) -> None:
    from noria.packaging.lightgbm_text import LightgbmScorer, dump

    scorer = LightgbmScorer(dump(TREES[Task.BINARY]), signature(Task.BINARY))
    matrix = np.array([row])
    np.testing.assert_array_equal(scorer.score(matrix), TREES[Task.BINARY].booster_.predict(matrix))


def test_many_threads_get_their_own_answers(blobs: Files, tmp_path: Path) -> None:
    scorer = package.load(save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path).artifact, blobs=blobs)
    expected = scorer.score(X)
    with ThreadPoolExecutor(8) as threads:
        singles = list(threads.map(lambda n: scorer.score(X[n % 400 : n % 400 + 1])[0], range(2_000)))
    np.testing.assert_array_equal(singles, np.tile(expected, 5))


def test_a_matrix_of_another_width_is_refused(blobs: Files, tmp_path: Path) -> None:
    scorer = package.load(save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path).artifact, blobs=blobs)
    with pytest.raises(RequestInvalid, match="takes 4 features"):
        scorer.score(X[:, :3])


def test_of_a_booster_only_the_trees_up_to_the_best_iteration_are_kept(blobs: Files, tmp_path: Path) -> None:
    y = LABELS[Task.BINARY]
    older = lightgbm.Dataset(X[:300], y[:300])
    booster = lightgbm.train(
        {"objective": "binary", "metric": "auc", "verbose": -1, "num_threads": 1, "learning_rate": 0.5},
        older,
        num_boost_round=60,
        valid_sets=[lightgbm.Dataset(X[300:], y[300:], reference=older)],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    assert booster.best_iteration < 60
    scorer = package.load(save(booster, Task.BINARY, blobs, tmp_path).artifact, blobs=blobs)
    np.testing.assert_array_equal(scorer.score(X), booster.predict(X))


@pytest.mark.parametrize(
    ("task", "steps"),
    [
        (Task.BINARY, [StandardScaler(), LogisticRegression()]),
        (Task.MULTICLASS, [StandardScaler(), LogisticRegression()]),
        (Task.REGRESSION, [StandardScaler(), Ridge()]),
        (Task.BINARY, [LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)]),
    ],
)
def test_pipelines_are_kept_as_skops_and_served_as_onnx(task: Task, steps: list[object], blobs: Files, tmp_path: Path) -> None:
    model = make_pipeline(SimpleImputer(), *steps).fit(X, LABELS[task])
    packed = save(model, task, blobs, tmp_path)
    assert (packed.format, packed.serving_form, packed.note) == ("skops", "onnx", "")
    assert packed.parity_max_diff < 20 * TOLERANCE
    served, native = (package.load(packed.artifact, blobs=blobs, form=form) for form in ("serving", "native"))
    assert (served.format, native.format) == ("onnx", "skops")
    np.testing.assert_allclose(served.score(X[:3]), native.score(X[:3]), rtol=1e-5, atol=1e-5)
    assert served.score(X).shape == ((400, 3) if task is Task.MULTICLASS else (400,))
    shares = package.importance(packed.artifact, blobs=blobs)
    assert list(shares) == ["f0", "f1", "f2", "f3"] and sum(shares.values()) == pytest.approx(1)


def test_what_float32_would_change_is_served_as_it_was_saved(blobs: Files, tmp_path: Path) -> None:
    far = X + np.array([1.7e9, 0, 0, 0])
    model = make_pipeline(SimpleImputer(), StandardScaler(), ExtraTreesClassifier(10, random_state=1)).fit(far, LABELS[Task.BINARY])
    packed = package.save(model, signature(Task.BINARY), far, blobs=blobs, scratch=tmp_path)
    assert packed.serving_form == "skops"
    assert packed.note.startswith("not compiled to ONNX: on 400 real rows its answers differ by") and "% of labels" in packed.note
    np.testing.assert_array_equal(package.load(packed.artifact, blobs=blobs).score(far), model.predict_proba(far)[:, 1])


def test_a_form_is_slower_only_when_its_best_try_takes_twice_as_long() -> None:
    now = [0.0]

    class Taking:
        def __init__(self, *seconds: float) -> None:
            self.left = list(seconds) * 20

        def score(self, X: np.ndarray) -> np.ndarray:
            now[0] += self.left.pop(0)
            return X

    def held(one: Taking, other: Taking) -> bool:
        return package.slower(one, other, X[:1], clock=lambda: now[0])  # type: ignore[arg-type]

    assert held(Taking(9.0, 5.0), Taking(2.0))
    assert not held(Taking(9.0, 3.0), Taking(2.0, 50.0))


def test_moments_are_served_in_double_precision(blobs: Files, tmp_path: Path) -> None:
    far = X + np.array([1.7e9, 0, 0, 0])
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(far, LABELS[Task.BINARY])
    packed = package.save(model, signature(Task.BINARY), far, blobs=blobs, scratch=tmp_path)
    assert (packed.serving_form, packed.note, packed.parity_rows, packed.parity_flipped) == ("onnx", "", 400, 0.0)
    assert packed.parity_mean_diff <= packed.parity_max_diff < 1e-6


def test_a_model_without_any_form_but_its_own_is_served_by_it(blobs: Files, tmp_path: Path) -> None:
    model = HistGradientBoostingClassifier(max_iter=4).fit(X, LABELS[Task.BINARY])
    packed = save(model, Task.BINARY, blobs, tmp_path)
    assert packed.serving_form in ("skops", "onnx")
    np.testing.assert_allclose(package.load(packed.artifact, blobs=blobs).score(X), model.predict_proba(X)[:, 1], atol=1e-5)


def test_onnx_bytes_and_protos_are_kept_as_they_are(blobs: Files, tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, LABELS[Task.BINARY])
    proto = to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
    packed = save(proto, Task.BINARY, blobs, tmp_path)
    assert packed == save(proto.SerializeToString(), Task.BINARY, blobs, tmp_path)
    assert (packed.format, packed.serving_form) == ("onnx", "onnx")
    assert package.importance(packed.artifact, blobs=blobs) == {}
    without_imputer = LogisticRegression().fit(np.nan_to_num(X), LABELS[Task.BINARY])
    with pytest.raises(ArtifactRejected, match="no answer to"):
        save(to_onnx(without_imputer, X[:1].astype(np.float32), options={"zipmap": False}), Task.BINARY, blobs, tmp_path)
    with pytest.raises(ArtifactRejected, match="zipmap"):
        save(to_onnx(model, X[:1].astype(np.float32)), Task.BINARY, blobs, tmp_path)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (object(), "cannot save without pickle"),
        (None, "cannot save without pickle"),
        (LGBMClassifier(), "cannot be written"),
        (TREES[Task.REGRESSION], "not probabilities"),
        (TREES[Task.MULTICLASS], "answers per row"),
        (make_pipeline(SimpleImputer(), RidgeClassifier()).fit(X, LABELS[Task.BINARY]), "gives no probabilities"),
        (LogisticRegression().fit(np.nan_to_num(X), LABELS[Task.BINARY]), "fails on real rows"),
        (make_pipeline(FunctionTransformer(print), SimpleImputer(), LogisticRegression()), "could run code"),
    ],
)
def test_models_that_may_not_serve_are_refused_with_a_fix(model: object, reason: str, blobs: Files, tmp_path: Path) -> None:
    with pytest.raises(ArtifactRejected, match=reason) as caught:
        save(model, Task.BINARY, blobs, tmp_path)
    assert caught.value.fix


def test_a_classifier_that_missed_a_class_is_refused(blobs: Files, tmp_path: Path) -> None:
    model = LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X, LABELS[Task.BINARY])
    with pytest.raises(ArtifactRejected, match="3 classes"):
        save(model, Task.MULTICLASS, blobs, tmp_path)


def test_the_manifest_says_what_is_in_the_package(blobs: Files, tmp_path: Path) -> None:
    packed = save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path)
    said = package.manifest(packed.artifact, blobs=blobs)
    assert (said.version, said.format, said.signature) == (1, "lightgbm", signature(Task.BINARY))
    assert "lightgbm" in said.libraries
    assert package.files(packed.artifact, blobs=blobs) == (packed.artifact, said.files["model.txt"])
    with pytest.raises(ArtifactRejected, match="no 'onnx' form"):
        package.load(packed.artifact, blobs=blobs, form="onnx")
    with pytest.raises(BlobMissing):
        package.load(digest_of(b"nothing"), blobs=blobs)


def test_bytes_under_a_wrong_name_are_not_opened(blobs: Files, tmp_path: Path) -> None:
    class Careless(Files):
        def read(self, digest: str) -> bytes:
            return super().read(digest).replace(b"tree\n", b"tree\n\n", 1)

    packed = save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path)
    with pytest.raises(ArtifactRejected, match="does not hold what its name says"):
        package.load(packed.artifact, blobs=Careless(tmp_path / "blobs"))


def test_a_package_of_a_newer_noria_is_refused(blobs: Files, tmp_path: Path) -> None:
    packed = save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path)
    newer = wire.plain(package.manifest(packed.artifact, blobs=blobs)) | {"version": 2}
    with pytest.raises(ArtifactRejected, match="layout 2"):
        package.load(blobs.put(wire.dump(newer)), blobs=blobs)


def test_serving_lightgbm_imports_no_framework(blobs: Files, tmp_path: Path) -> None:
    packed = save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path)
    script = f"""
import sys
from pathlib import Path
import numpy as np
from noria.adapters.files import Files
from noria.packaging import package
scorer = package.load({packed.artifact!r}, blobs=Files(Path({str(tmp_path / "blobs")!r})))
print(scorer.score(np.zeros((1, 4)))[0])
print(sorted({{"lightgbm", "sklearn", "scipy", "skops", "onnxruntime", "polars", "pandas"}} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split("\n")
    assert float(said[0]) == TREES[Task.BINARY].predict_proba(np.zeros((1, 4)))[0, 1]
    assert said[1] == "[]"


def test_a_package_from_before_thresholds_says_yes_from_a_half_on(blobs: Files, tmp_path: Path) -> None:
    packed = save(TREES[Task.BINARY], Task.BINARY, blobs, tmp_path)
    old = json.loads(blobs.read(packed.artifact))
    for newer in ("threshold", "group"):
        del old["signature"][newer]
    artifact = blobs.put(json.dumps(old).encode())
    assert package.load(artifact, blobs=blobs).signature == package.load(packed.artifact, blobs=blobs).signature
    assert package.load(artifact, blobs=blobs).signature.threshold == 0.5


def test_two_forms_must_decide_alike_at_the_threshold_that_was_chosen() -> None:
    one, other = np.array([0.2, 0.7]), np.array([0.2 - 1e-6, 0.7])
    assert alike(one, other, Task.BINARY)
    assert not alike(one, other, Task.BINARY, 0.2)
