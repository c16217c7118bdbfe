"""Folders that MLflow itself wrote: opened without it where they can be, and by it, apart, where somebody trusts them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected
from noria.core.schema import Kind, Task
from noria.packaging import package
from noria.packaging.columns import ColumnEncoder
from noria.packaging.opening import read_model
from noria.packaging.row_encoding import RowEncoder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mlflow = pytest.importorskip("mlflow")
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    infer_signature = pytest.importorskip("mlflow.models").infer_signature
    saving = {name: pytest.importorskip(f"mlflow.{name}").save_model for name in ("sklearn", "lightgbm", "xgboost")}

pytestmark = pytest.mark.filterwarnings("ignore")

TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"]).assign(n=np.arange(200) % 7)
LABEL = np.where(TABLE["a"] + TABLE["n"] > 3, "yes", "no")
COLUMNS = {name: TABLE[name].tolist() for name in TABLE}


class Halves(pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["a"] / 2


def folder(place: Path, save, model, **options) -> Path:
    save(model, str(place), signature=infer_signature(TABLE, LABEL), input_example=TABLE.head(3), pip_requirements=[], **options)
    return place


def test_skops_and_boosters_are_opened_without_mlflow(tmp_path: Path) -> None:
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    blobs = Files(tmp_path / "blobs")
    linear = LogisticRegression().fit(TABLE, LABEL)
    boosted = LGBMClassifier(n_estimators=5, verbose=-1).fit(TABLE, LABEL)
    other = XGBClassifier(n_estimators=5).fit(TABLE, (LABEL == "yes").astype(int))
    for name, save, model, options in (
        ("linear", saving["sklearn"], linear, {"serialization_format": "skops"}),
        ("lightgbm", saving["lightgbm"], boosted, {}),
        ("booster", saving["lightgbm"], boosted.booster_, {}),
        ("xgboost", saving["xgboost"], other, {}),
        ("xgboost-json", saving["xgboost"], other, {"model_format": "json"}),
    ):
        content, signature = read_model(folder(tmp_path / name, save, model, **options))
        assert [(field.name, field.kind) for field in signature.inputs] == [("a", Kind.FLOAT), ("b", Kind.FLOAT), ("n", Kind.INT)], name
        assert signature.task is Task.BINARY, name
        matrix = RowEncoder(signature.features).encode(COLUMNS, len(TABLE))
        packed = package.save(content, signature, matrix, blobs=blobs, scratch=tmp_path)
        wanted = (boosted if name == "booster" else model).predict_proba(TABLE)[:, 1]
        assert package.load(packed.artifact, blobs=blobs).score(matrix) == pytest.approx(wanted, abs=1e-5), name


def test_a_pickled_classifier_needs_trust_and_then_gives_its_probabilities(tmp_path: Path) -> None:
    model = LogisticRegression().fit(TABLE, LABEL)
    place = folder(tmp_path / "m", saving["sklearn"], model, serialization_format="cloudpickle")
    with pytest.raises(ArtifactRejected, match="pickle"):
        read_model(place)
    brought, signature = read_model(place, trust=True)
    assert (signature.task, signature.classes) == (Task.BINARY, ("no", "yes"))
    blobs = Files(tmp_path / "blobs")
    columns = ColumnEncoder(signature.features).encode(COLUMNS, len(TABLE))
    packed = package.save(brought, signature, columns, blobs=blobs, scratch=tmp_path)
    assert packed.format == "python"
    assert package.answers(packed.artifact, columns, blobs=blobs) == pytest.approx(model.predict_proba(TABLE)[:, 1])


def test_a_pyfunc_model_needs_trust_and_then_answers_apart(tmp_path: Path) -> None:
    place = tmp_path / "m"
    pyfunc.save_model(place, python_model=Halves(), signature=infer_signature(TABLE, TABLE["a"]), pip_requirements=[])
    with pytest.raises(ArtifactRejected, match="running the code"):
        read_model(place)
    brought, signature = read_model(place, trust=True)
    assert signature.task is Task.REGRESSION
    blobs = Files(tmp_path / "blobs")
    columns = ColumnEncoder(signature.features).encode(COLUMNS, len(TABLE))
    packed = package.save(brought, signature, columns, blobs=blobs, scratch=tmp_path)
    assert package.answers(packed.artifact, columns, blobs=blobs) == pytest.approx(TABLE["a"].to_numpy() / 2)
