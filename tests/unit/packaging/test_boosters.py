"""Boosted trees of every library: kept as their own JSON, served as one graph, refused when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import package, trial
from noria.packaging.audit import audit
from noria.packaging.describing import of_catboost, of_xgboost
from noria.packaging.hist_trees import forest_of
from noria.packaging.opening import read_model
from noria.stages.evaluation.explanations import explain

xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")

NOISE = np.random.default_rng(7)
X = NOISE.normal(size=(900, 5))
X[:, 2] = NOISE.integers(0, 40, len(X))
X[:, 4] = NOISE.integers(0, 7, len(X))
X[NOISE.random(X.shape) < 0.05] = np.nan
SIGNAL = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 2]) % 3 + np.nan_to_num(X[:, 4]) % 2 + NOISE.normal(size=len(X)) / 3
LABELS = {Task.BINARY: (SIGNAL > 1).astype(int), Task.MULTICLASS: np.digitize(SIGNAL, [0, 1]), Task.REGRESSION: SIGNAL}
LABELS[Task.RANKING] = LABELS[Task.BINARY]
CLASSES = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("a", "b", "c")}
FIELDS = tuple(Field(name=f"f{n}", kind=Kind.FLOAT) for n in range(5))
XGB = {"n_estimators": 12, "max_depth": 4, "n_jobs": 1}
CAT = {"iterations": 12, "depth": 4, "verbose": 0, "thread_count": 1, "allow_writing_files": False, "random_seed": 1}
CATEGORICAL = {"feature_types": ["q", "q", "c", "q", "c"], "enable_categorical": True}
LGB = {"n_estimators": 12, "verbose": -1, "n_jobs": 1}
QUERIES = np.arange(len(X)) // 20


def signature(task: Task) -> Signature:
    return Signature(inputs=FIELDS, features=FIELDS, task=task, classes=CLASSES.get(task, ()))


@pytest.fixture
def blobs(tmp_path: Path) -> Files:
    return Files(tmp_path / "blobs")


def oracle(model, task: Task) -> np.ndarray:
    if task.numeric:
        return np.asarray(model.predict(X), dtype=np.float64)
    chances = np.asarray(model.predict_proba(X), dtype=np.float64)
    return chances[:, 1] if task is Task.BINARY else chances


def columns():
    known = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [("numbers", numbers, [0, 1, 2, 3]), ("codes", make_pipeline(SimpleImputer(strategy="most_frequent"), known), [4])]
    )


def cases():
    from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier

    yield "xgboost", XGBClassifier(**XGB), Task.BINARY
    yield "xgboost", XGBClassifier(**XGB), Task.MULTICLASS
    yield "xgboost", XGBRegressor(**XGB), Task.REGRESSION
    yield "xgboost", XGBRegressor(objective="reg:pseudohubererror", **XGB), Task.REGRESSION
    yield "xgboost", XGBClassifier(booster="dart", rate_drop=0.5, **XGB), Task.BINARY
    yield "xgboost", XGBRFClassifier(**XGB), Task.BINARY
    yield "xgboost", XGBClassifier(**CATEGORICAL, **XGB), Task.BINARY
    yield "xgboost", XGBClassifier(max_cat_to_onehot=100, **CATEGORICAL, **XGB), Task.MULTICLASS
    yield "xgboost", XGBRanker(**XGB), Task.RANKING
    from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor

    yield "catboost", CatBoostClassifier(**CAT), Task.BINARY
    yield "catboost", CatBoostClassifier(nan_mode="Max", **CAT), Task.BINARY
    yield "catboost", CatBoostClassifier(**CAT), Task.MULTICLASS
    yield "catboost", CatBoostRegressor(**CAT), Task.REGRESSION
    yield "catboost", CatBoostRegressor(grow_policy="Lossguide", **CAT), Task.REGRESSION
    yield "catboost", CatBoostClassifier(grow_policy="Depthwise", **CAT), Task.MULTICLASS
    yield "catboost", CatBoostRanker(**CAT), Task.RANKING
    yield "skops", HistGradientBoostingClassifier(max_iter=12), Task.BINARY
    yield "skops", HistGradientBoostingClassifier(max_iter=6, categorical_features=[2, 4]), Task.MULTICLASS
    yield "skops", HistGradientBoostingRegressor(max_iter=12), Task.REGRESSION
    yield "skops", make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=12)), Task.BINARY
    yield "skops", make_pipeline(columns(), LGBMClassifier(**LGB)), Task.BINARY
    yield "skops", make_pipeline(columns(), LGBMClassifier(**LGB)), Task.MULTICLASS
    yield "skops", make_pipeline(SimpleImputer(), LGBMRegressor(**LGB)), Task.REGRESSION
    yield "skops", make_pipeline(columns(), XGBClassifier(**XGB)), Task.BINARY
    yield "skops", make_pipeline(SimpleImputer(), XGBRegressor(**XGB)), Task.REGRESSION
    yield "skops", CalibratedClassifierCV(LGBMClassifier(**LGB), cv=2), Task.BINARY
    yield "skops", CalibratedClassifierCV(XGBClassifier(**XGB), cv=2), Task.BINARY
    boosted = [("hist", HistGradientBoostingClassifier(max_iter=6)), ("gbm", LGBMClassifier(**LGB)), ("xgb", XGBClassifier(**XGB))]
    yield "skops", StackingClassifier(boosted, cv=2), Task.BINARY


@pytest.mark.parametrize(
    ("format", "model", "task"), list(cases()), ids=lambda value: type(value).__name__ if hasattr(value, "fit") else ""
)
def test_boosted_trees_are_served_as_a_graph_that_answers_as_they_do(format, model, task, blobs, tmp_path):
    model.fit(X, LABELS[task], **_queries(model, task))
    packed = package.save(model, signature(task), X, blobs=blobs, scratch=tmp_path)
    assert (packed.format, packed.serving_form, packed.note) == (format, "onnx", "")
    assert (packed.parity_rows, packed.parity_flipped) == (len(X), 0.0)
    served, native = (package.load(packed.artifact, blobs=blobs, form=form) for form in ("serving", "native"))
    expected = oracle(model, task)
    bound = 5e-7 if format == "xgboost" else 1e-12
    bound = 2e-6 if format == "skops" and not type(model).__name__.startswith("Hist") else bound
    np.testing.assert_allclose(served.score(X), expected, rtol=0, atol=bound)
    np.testing.assert_allclose(native.score(X), expected, rtol=0, atol=1e-12)
    for rows in (1, 7):
        np.testing.assert_allclose(served.score(X[:rows]), served.score(X)[:rows], rtol=0, atol=bound)
    said = package.manifest(packed.artifact, blobs=blobs)
    assert said.parity_mean_diff <= said.parity_max_diff < bound
    assert said.parity_rows == len(X)


def _queries(model, task: Task) -> dict:
    if task is not Task.RANKING:
        return {}
    return {"qid": QUERIES} if type(model).__module__.startswith("xgboost") else {"group_id": QUERIES}


@pytest.mark.parametrize("kind", ["xgboost", "catboost"])
@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
def test_base_and_parts_are_the_answer_by_the_librarys_own_tree_shap(kind, task, blobs, tmp_path):
    made = {
        "xgboost": lambda: (xgboost.XGBRegressor if task is Task.REGRESSION else xgboost.XGBClassifier)(**XGB),
        "catboost": lambda: (catboost.CatBoostRegressor if task is Task.REGRESSION else catboost.CatBoostClassifier)(**CAT),
    }
    model = made[kind]().fit(X, LABELS[task])
    packed = package.save(model, signature(task), X[:100], blobs=blobs, scratch=tmp_path)
    scorer = package.load(packed.artifact, blobs=blobs, form="native")
    found = explain(scorer, X[:20], X, place=1 if task is Task.MULTICLASS else 0, budget=2_000)
    assert found.method == "tree-shap"
    assert found.gap < 1e-4
    shares = package.importance(packed.artifact, blobs=blobs)
    assert sum(shares.values()) == pytest.approx(1) and max(shares, key=shares.get) in ("f0", "f2", "f4")


def test_values_that_training_never_saw_take_the_way_of_missing_ones(blobs, tmp_path):
    old = X.copy()
    old[old[:, 2] > 30, 2] = 3
    model = HistGradientBoostingClassifier(max_iter=12, categorical_features=[2, 4]).fit(old, LABELS[Task.BINARY])
    packed = package.save(model, signature(Task.BINARY), X, blobs=blobs, scratch=tmp_path)
    assert packed.serving_form == "onnx"
    strange = X.copy()
    strange[:, 4] = NOISE.choice([-1, 3.5, 1e9, 255, np.nan, 2], len(X))
    np.testing.assert_allclose(package.load(packed.artifact, blobs=blobs).score(strange), model.predict_proba(strange)[:, 1], atol=1e-12)


def test_only_the_rounds_up_to_the_best_are_kept(blobs, tmp_path):
    y = LABELS[Task.BINARY]
    model = xgboost.XGBClassifier(n_estimators=200, learning_rate=0.9, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:600], y[:600], eval_set=[(X[600:], y[600:])], verbose=False)
    assert model.best_iteration < 100
    packed = package.save(model, signature(Task.BINARY), X, blobs=blobs, scratch=tmp_path)
    np.testing.assert_array_equal(package.load(packed.artifact, blobs=blobs, form="native").score(X), oracle(model, Task.BINARY))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (xgboost.XGBClassifier(), "cannot be written"),
        (catboost.CatBoostClassifier(), "cannot be written"),
        (xgboost.XGBClassifier(booster="gblinear", n_jobs=1).fit(np.nan_to_num(X), LABELS[Task.BINARY]), "has no trees"),
        (xgboost.XGBRegressor(**XGB).fit(X, SIGNAL), "not probabilities"),
        (
            xgboost.XGBClassifier(multi_strategy="multi_output_tree", tree_method="hist", **XGB).fit(X, LABELS[Task.MULTICLASS]),
            "leaves of several values",
        ),
    ],
    ids=["unfitted xgboost", "unfitted catboost", "linear", "regressor", "vector leaves"],
)
def test_boosters_that_may_not_serve_are_refused_with_a_fix(model, reason, blobs, tmp_path):
    with pytest.raises(ArtifactRejected, match=reason) as caught:
        package.save(model, signature(Task.BINARY), X, blobs=blobs, scratch=tmp_path)
    assert caught.value.fix


def test_catboost_with_categories_of_its_own_is_refused(blobs, tmp_path):
    import pandas as pd

    frame = pd.DataFrame({f"f{n}": X[:, n] if n != 4 else np.nan_to_num(X[:, 4]).astype(int) for n in range(5)})
    model = catboost.CatBoostClassifier(cat_features=["f4"], **CAT).fit(frame, LABELS[Task.BINARY])
    with pytest.raises(ArtifactRejected, match="categorical features") as caught:
        package.save(model, signature(Task.BINARY), X, blobs=blobs, scratch=tmp_path)
    assert "data.X" in caught.value.fix


def test_files_of_both_libraries_are_recognised_by_what_they_hold(blobs, tmp_path):
    one = xgboost.XGBClassifier(**XGB).fit(X, LABELS[Task.BINARY])
    two = catboost.CatBoostClassifier(**CAT).fit(X, LABELS[Task.BINARY])
    for model, names in ((one, ("m.json", "m.ubj")), (two, ("m.cbm", "n.json"))):
        for name in names:
            file = tmp_path / name
            model.save_model(str(file), **({"format": "json"} if name == "n.json" else {}))
            _, said = read_model(file)
            assert said.task is Task.BINARY and len(said.features) == 5
            packed = package.save(file.read_bytes(), said, X[:200], blobs=blobs, scratch=tmp_path)
            assert packed.serving_form == "onnx"
            np.testing.assert_allclose(package.load(packed.artifact, blobs=blobs).score(X), oracle(model, Task.BINARY), atol=5e-7)
    with pytest.raises(ArtifactRejected, match="no model of"):
        audit(b'{"learner of": 1}')
    with pytest.raises(ArtifactRejected, match="does not say"):
        of_catboost(b'{"features_info": {}}')
    with pytest.raises(ArtifactRejected, match="no XGBoost model"):
        of_xgboost(b'{"learner": 1}')


def test_deep_or_boundless_files_are_refused():
    from noria.packaging import catboost_trees, ubjson, xgboost_trees

    for content in (
        b"{" + b'"learner":{' * 100_000,
        b"{L" + (7).to_bytes(8, "big") + b"learner" + b"[" * 100_000,
        b"{L" + (7).to_bytes(8, "big") + b"learner" + b"[$d#L" + (1 << 62).to_bytes(8, "big"),
        b"{L" + (7).to_bytes(8, "big") + b"learner" + b"[#L" + (1 << 62).to_bytes(8, "big"),
    ):
        with pytest.raises(ArtifactRejected):
            xgboost_trees.forest_of(content)
    with pytest.raises(ArtifactRejected):
        catboost_trees.forest_of(b'{"features_info":' + b"[" * 100_000)
    assert ubjson.loads(b"[#i\x02TZ") == [True, None]


def test_a_file_that_ends_its_process_is_refused_and_ends_nobody_else(monkeypatch, tmp_path):
    trial.close()
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\nkill -SEGV $$\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(stand_in))
    with pytest.raises(ArtifactRejected, match="ends the process"):
        trial.tried("onnx", b"", signature(Task.BINARY), X)


def test_one_other_process_tries_many_files_and_another_comes_when_it_has_ended(monkeypatch):
    text = LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X, LABELS[Task.BINARY]).booster_.model_to_string().encode()
    trial.close()
    seen = set()
    for _ in range(3):
        trial.tried("lightgbm", text, signature(Task.BINARY), X)
        seen.add(trial._other.pid)
    assert len(seen) == 1
    trial._other.stdin.close()
    trial._other.wait()
    trial.tried("lightgbm", text, signature(Task.BINARY), X)
    assert trial._other.pid not in seen
    with pytest.raises(ArtifactRejected, match=r"LightGBM says|cannot be opened"):
        trial.tried("lightgbm", b"tree\nrubbish\nend of trees", signature(Task.BINARY), X)
    trial.tried("lightgbm", text, signature(Task.BINARY), X)


FUZZ = """
import sys
from pathlib import Path
import numpy as np
from noria.core.errors import NoriaError
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import formats, package
rng = np.random.default_rng(5)
fields = tuple(Field(name=f"f{n}", kind=Kind.FLOAT) for n in range(5))
said = Signature(inputs=fields, features=fields, task=Task.BINARY, classes=("no", "yes"))
good = Path(sys.argv[1]).read_bytes()
rows = rng.normal(size=(40, 5))
opened = refused = 0
for n in range(int(sys.argv[2])):
    bad = bytearray(good)
    kind = n % 4
    if kind == 0:
        bad = bad[: rng.integers(1, len(bad))]
    elif kind == 1:
        for place in rng.integers(0, len(bad), rng.integers(1, 4)):
            bad[place] = rng.integers(0, 256)
    elif kind == 2:
        place, size = rng.integers(0, len(bad)), rng.integers(1, 60)
        del bad[place : place + size]
    else:
        digits = [place for place in rng.integers(0, len(bad), 300) if 48 <= bad[place] < 58][:4]
        for place in digits:
            bad[place] = rng.integers(48, 58)
    try:
        package.scorer_of(bytes(bad), said).score(rows)
        opened += 1
    except (NoriaError, ValueError, TypeError, RuntimeError, IndexError) as error:
        refused += 1
print(opened, refused)
"""


@pytest.mark.parametrize("kind", ["xgboost ubj", "xgboost json", "catboost"])
def test_damaged_files_are_refused_and_never_end_the_process(kind, tmp_path):
    file = tmp_path / "model"
    if kind == "catboost":
        catboost.CatBoostClassifier(**(CAT | {"iterations": 3, "depth": 2})).fit(X, LABELS[Task.BINARY]).save_model(
            str(file), format="json"
        )
    else:
        model = xgboost.XGBClassifier(**(XGB | {"n_estimators": 3, "max_depth": 2})).fit(X, LABELS[Task.BINARY])
        file.write_bytes(bytes(model.get_booster().save_raw(kind.split()[1])))
    done = subprocess.run([sys.executable, "-c", FUZZ, str(file), "400"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    opened, refused = map(int, done.stdout.split()[-2:])
    assert opened + refused == 400 and refused > 150


def test_a_graph_serves_without_the_library_that_trained_it(blobs, tmp_path):
    model = xgboost.XGBClassifier(**XGB).fit(X, LABELS[Task.BINARY])
    packed = package.save(model, signature(Task.BINARY), X, blobs=blobs, scratch=tmp_path)
    script = f"""
import sys
from pathlib import Path
import numpy as np
from noria.adapters.files import Files
from noria.packaging import package
for name in ("xgboost", "catboost", "lightgbm", "sklearn", "onnx"):
    sys.modules[name] = None
print(package.load({packed.artifact!r}, blobs=Files(Path({str(tmp_path / "blobs")!r}))).score(np.zeros((1, 5)))[0])
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert float(said) == pytest.approx(float(model.predict_proba(np.zeros((1, 5)))[0, 1]), abs=1e-6)


def test_a_loss_whose_answers_have_no_counterpart_is_served_by_its_own_library(blobs, tmp_path):
    model = xgboost.XGBRegressor(objective="survival:cox", **XGB).fit(X, np.exp(SIGNAL))
    packed = package.save(model, signature(Task.REGRESSION), X, blobs=blobs, scratch=tmp_path)
    assert (packed.format, packed.serving_form) == ("xgboost", "xgboost")
    assert "no counterpart" in packed.note


def test_a_link_without_counterpart_is_told():
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, LABELS[Task.BINARY])

    class Odd:
        pass

    loss = model._loss
    try:
        model._loss = type("Loss", (), {"link": Odd()})()
        with pytest.raises(ValueError, match="Odd"):
            forest_of(model)
    finally:
        model._loss = loss


def test_other_models_are_recognised_as_before():
    text = LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X, LABELS[Task.BINARY]).booster_.model_to_string().encode()
    assert audit(text) == "lightgbm"
    with pytest.raises(ArtifactRejected):
        audit(json.dumps({"a": 1}).encode())
    assert LogisticRegression is not None
