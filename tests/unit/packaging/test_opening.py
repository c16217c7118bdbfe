"""Models that somebody already has: files, and folders as MLflow lays them out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected, NotFound
from noria.core.schema import Kind, Task
from noria.packaging import package
from noria.packaging.opening import read_model
from noria.packaging.row_encoding import RowEncoder

RNG = np.random.default_rng(5)
TABLE = pd.DataFrame(RNG.normal(size=(120, 3)), columns=["age", "net income", "n"])
LABEL = np.where(TABLE["age"] + TABLE["n"] > 0, "yes", "no")
SMALL = {"n_estimators": 4, "num_leaves": 4, "verbose": -1, "num_threads": 1}


def columns(*specs: tuple[str, str]) -> str:
    return json.dumps([{"type": kind, "name": name, "required": True} for name, kind in specs])


def mlflow_folder(place: Path, flavours: str, content: bytes, file: str, *, inputs: str = "", example: pd.DataFrame | None = None) -> Path:
    """A folder as MLflow's documentation lays it out."""
    place.mkdir()
    (place / file).write_bytes(content)
    told = f"flavors:\n{flavours}\nmlflow_version: 3.17.2\n"
    if inputs:
        told += f'signature:\n  inputs: \'{inputs}\'\n  outputs: \'[{{"type": "long", "required": true}}]\'\n  params: null\n'
    if example is not None:
        (place / "input_example.json").write_text(example.to_json(orient="split", index=False))
        told += "saved_input_example_info:\n  artifact_path: input_example.json\n  pandas_orient: split\n  type: dataframe\n"
    (place / "MLmodel").write_text(told)
    return place


def sklearn_flavour(file: str, form: str) -> str:
    return f"  sklearn:\n    code: null\n    pickled_model: {file}\n    serialization_format: {form}\n    sklearn_version: 1.9.1"


def lightgbm_text(tmp_path: Path, model: LGBMClassifier | LGBMRegressor) -> Path:
    file = tmp_path / "model.txt"
    file.write_text(model.booster_.model_to_string())
    return file


def test_a_lightgbm_text_tells_its_inputs_and_its_task(tmp_path: Path) -> None:
    _, signature = read_model(lightgbm_text(tmp_path, LGBMClassifier(**SMALL).fit(TABLE, LABEL)))
    assert [field.name for field in signature.inputs] == ["age", "net_income", "n"]
    assert (signature.task, signature.classes) == (Task.BINARY, ("0", "1"))
    _, signature = read_model(lightgbm_text(tmp_path, LGBMRegressor(**SMALL).fit(TABLE, TABLE["n"])))
    assert (signature.task, signature.classes) == (Task.REGRESSION, ())
    many = LGBMClassifier(**SMALL).fit(TABLE, RNG.integers(0, 3, len(TABLE)))
    _, signature = read_model(lightgbm_text(tmp_path, many))
    assert (signature.task, signature.classes) == (Task.MULTICLASS, ("0", "1", "2"))


def test_pandas_categories_become_text_with_the_codes_that_the_trees_saw(tmp_path: Path) -> None:
    table = TABLE.assign(city=pd.Categorical(RNG.choice(["oslo", "bonn", "rome"], len(TABLE))))
    label = (table["city"] == "rome").astype(int)
    model = LGBMClassifier(**{**SMALL, "min_child_samples": 2}).fit(table, label)
    content, signature = read_model(lightgbm_text(tmp_path, model))
    assert signature.inputs[-1].kind is Kind.TEXT
    rows = {name: table[name].tolist() for name in table}
    matrix = RowEncoder(signature.features).encode({name.replace(" ", "_"): column for name, column in rows.items()}, len(table))
    assert package.scorer_of(content, signature).score(matrix) == pytest.approx(model.predict_proba(table)[:, 1])


def test_an_estimator_tells_its_classes_and_its_names(tmp_path: Path) -> None:
    file = tmp_path / "model.skops"
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, LABEL), file)
    _, signature = read_model(file)
    assert [field.name for field in signature.inputs] == list(TABLE)
    assert signature.classes == ("no", "yes")


def test_inputs_without_names_get_those_of_an_example(tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    model = LogisticRegression().fit(TABLE.to_numpy(), LABEL)
    file = tmp_path / "model.onnx"
    file.write_bytes(to_onnx(model, TABLE.to_numpy(np.float32)[:1], options={"zipmap": False}).SerializeToString())
    content, signature = read_model(file)
    assert [field.name for field in signature.inputs] == ["x0", "x1", "x2"]
    assert (signature.task, signature.classes) == (Task.BINARY, ("no", "yes"))
    _, signature = read_model(file, example=TABLE.head(2).to_dict("records"))
    assert [field.name for field in signature.inputs] == list(TABLE)
    with pytest.raises(ArtifactRejected, match="2 columns"):
        read_model(file, example=[{"age": 1, "n": 2}])
    answers = package.scorer_of(content, signature).score(TABLE.to_numpy())
    assert answers == pytest.approx(model.predict_proba(TABLE.to_numpy())[:, 1], abs=1e-5)


def test_what_is_not_there_or_not_safe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model at"):
        read_model(tmp_path / "nowhere.txt")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ArtifactRejected, match="pickle"):
        read_model(tmp_path / "model.pkl")
    with pytest.raises(ArtifactRejected, match="no MLmodel"):
        read_model(tmp_path)


def test_an_mlflow_folder_of_a_booster_is_opened_without_mlflow(tmp_path: Path) -> None:
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(TABLE, LABEL == "yes"), 3)
    inputs = columns(("age", "double"), ("net income", "double"), ("n", "long"))
    flavour = "  lightgbm:\n    code: null\n    data: model.lgb\n    lgb_version: 4.7.0\n    model_class: lightgbm.basic.Booster"
    folder = mlflow_folder(tmp_path / "m", flavour, booster.model_to_string().encode(), "model.lgb", inputs=inputs, example=TABLE.head(3))
    content, signature = read_model(folder)
    assert [(field.name, field.kind) for field in signature.inputs] == [
        ("age", Kind.FLOAT),
        ("net income", Kind.FLOAT),
        ("n", Kind.INT),
    ]
    packed = package.save(content, signature, TABLE.to_numpy(), blobs=Files(tmp_path / "blobs"), scratch=tmp_path)
    assert packed.format == "lightgbm"


def test_an_mlflow_folder_of_a_skops_model_is_opened_and_a_pickled_one_refused(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, LABEL)
    inputs = columns(("age", "double"), ("net income", "double"), ("n", "double"))
    flavour = sklearn_flavour("model.skops", "skops")
    _, signature = read_model(mlflow_folder(tmp_path / "s", flavour, skops.io.dumps(model), "model.skops", inputs=inputs, example=TABLE))
    assert signature.classes == ("no", "yes")
    pickled = mlflow_folder(tmp_path / "p", sklearn_flavour("model.pkl", "cloudpickle"), pickle.dumps(model), "model.pkl", inputs=inputs)
    with pytest.raises(ArtifactRejected, match="pickle") as caught:
        read_model(pickled)
    assert "serialization_format='skops'" in caught.value.fix


def test_an_mlflow_folder_that_contradicts_itself_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    content = LGBMRegressor(**SMALL).fit(TABLE, TABLE["n"]).booster_.model_to_string().encode()
    two = columns(("age", "double"), ("n", "double"))
    with pytest.raises(ArtifactRejected, match="2 inputs"):
        read_model(mlflow_folder(tmp_path / "a", "  lightgbm:\n    data: model.lgb", content, "model.lgb", inputs=two))
    text = columns(("age", "string"), ("net income", "double"), ("n", "double"))
    with pytest.raises(ArtifactRejected, match="'age' is text"):
        read_model(mlflow_folder(tmp_path / "b", "  lightgbm:\n    data: model.lgb", content, "model.lgb", inputs=text))
    with pytest.raises(ArtifactRejected, match="outside"):
        read_model(mlflow_folder(tmp_path / "c", "  lightgbm:\n    data: ../b/model.lgb", content, "model.lgb"))
    with pytest.raises(ArtifactRejected, match="not YAML"):
        read_model(mlflow_folder(tmp_path / "d", "  lightgbm: [", content, "model.lgb"))
    with pytest.raises(ArtifactRejected, match="MLmodel"):
        read_model(mlflow_folder(tmp_path / "e", "  - lightgbm", content, "model.lgb"))
