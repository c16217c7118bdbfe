"""A version as MLflow's folder answers as its package does, through MLflow's own client."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from noria import __version__
from noria.adapters.files import Files
from noria.app.pulled import Pulled
from noria.core.errors import BlobMissing, RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Family, ServedVersion
from noria.packaging import mlflow_folder, package
from noria.packaging.mlflow_written import DATA, Facts, folder
from noria.ports import wire

FACTS = Facts(name="late", noria=__version__, made_at=datetime(2026, 3, 1, tzinfo=UTC), run="r1", told={"turn": "t1"})
NOISE = np.random.default_rng(7)
X = NOISE.normal(size=(300, 3))
X[NOISE.random(X.shape) < 0.05] = np.nan
X[:, 2] = NOISE.integers(0, 3, len(X))
SIGNAL = np.nan_to_num(X[:, 0]) + X[:, 2]
FIELDS = (
    Field(name="speed", kind=Kind.FLOAT, required=False),
    Field(name="wind", kind=Kind.FLOAT, required=False),
    Field(name="carrier", kind=Kind.TEXT, categories=("AA", "DL", "UA")),
)
BINARY = Signature(inputs=FIELDS, features=FIELDS, task=Task.BINARY, classes=("on time", "late"), threshold=0.4)


@pytest.fixture
def blobs(tmp_path):
    return Files(tmp_path / "blobs")


def table():
    import pandas as pd

    carriers = np.asarray(["AA", "DL", "UA"])[X[:, 2].astype(int)]
    return pd.DataFrame({"speed": X[:, 0], "wind": X[:, 1], "carrier": carriers})


def put(files, blobs, into: Path) -> Path:
    for name, digest in files.items():
        place = into / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(blobs.read(digest))
    return into


def pulled(model, signature, blobs, tmp_path, *, family=""):
    packed = package.save(model, signature, X, blobs=blobs, scratch=tmp_path)
    served = ServedVersion(number=3, artifact=packed.artifact, code="", signature=signature, family=family)
    return put(folder(served, FACTS, blobs=blobs), blobs, tmp_path / "pulled"), packed


def test_mlflows_client_opens_it_and_gets_what_the_package_answers(blobs, tmp_path):
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    model = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, SIGNAL > 1, categorical_feature=[2])
    place, packed = pulled(model, BINARY, blobs, tmp_path)
    opened = pyfunc.load_model(str(place))
    answers = opened.predict(table())
    wanted = package.load(packed.artifact, blobs=blobs).score(X)
    np.testing.assert_array_equal(answers["prediction"].to_numpy(), wanted)
    assert answers["label"].tolist() == ["late" if one >= 0.4 else "on time" for one in wanted]
    assert [one.name for one in opened.metadata.get_input_schema().inputs] == ["speed", "wind", "carrier"]
    assert opened.metadata.metadata["noria"]["version"] == 3


def test_the_librarys_own_flavour_names_its_file_and_noria_reads_the_folder_as_any_other(blobs, tmp_path):
    plain = tuple(Field(name=f"x{n}", kind=Kind.FLOAT) for n in range(3))
    signature = Signature(inputs=plain, features=plain, task=Task.REGRESSION)
    place, packed = pulled(LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(X, SIGNAL), signature, blobs, tmp_path)
    told = yaml.safe_load((place / "MLmodel").read_text())
    assert {"lightgbm", "python_function"} <= set(told["flavors"])
    assert (place / told["flavors"]["lightgbm"]["data"]).is_file()
    found = mlflow_folder.read(place)
    assert found.file is not None
    assert [field.name for field in found.inputs] == ["x0", "x1", "x2"]
    np.testing.assert_array_equal(Pulled(place / DATA).predict(X), package.load(packed.artifact, blobs=blobs).score(X))


def test_several_classes_are_told_by_name_with_their_shares(blobs, tmp_path):
    plain = tuple(Field(name=f"x{n}", kind=Kind.FLOAT) for n in range(3))
    signature = Signature(inputs=plain, features=plain, task=Task.MULTICLASS, classes=("low", "mid", "high"))
    full = np.nan_to_num(X)
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(full, np.digitize(SIGNAL, [0.5, 1.5]))
    place, _ = pulled(model, signature, blobs, tmp_path)
    answers = Pulled(place / DATA).predict(full)
    assert set(answers["prediction"][0]) == {"low", "mid", "high"}
    assert answers["label"][0] == max(answers["prediction"][0], key=answers["prediction"][0].get)


def test_a_family_answers_each_partition_by_its_own_model(blobs, tmp_path):
    parts = {name: LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, cut < SIGNAL) for name, cut in (("AA", 0.5), ("DL", 1.5))}
    members = {name: package.save(one, BINARY, X, blobs=blobs, scratch=tmp_path).artifact for name, one in parts.items()}
    family = blobs.put(wire.dump(Family(by="carrier", members=members)))
    parent = LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, SIGNAL > 1)
    place, packed = pulled(parent, BINARY, blobs, tmp_path, family=family)
    answers = Pulled(place / DATA).predict(table())["prediction"].to_numpy()
    for name, artifact in {**members, "UA": packed.artifact}.items():
        rows = table()["carrier"] == name
        np.testing.assert_array_equal(answers[rows], package.load(artifact, blobs=blobs).score(X[rows]))
    assert "lightgbm" not in yaml.safe_load((place / "MLmodel").read_text())["flavors"]


def test_the_same_version_gives_the_same_files(blobs, tmp_path):
    model = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, SIGNAL > 1)
    packed = package.save(model, BINARY, X, blobs=blobs, scratch=tmp_path)
    served = ServedVersion(number=3, artifact=packed.artifact, code="", signature=BINARY)
    assert folder(served, FACTS, blobs=blobs) == folder(served, FACTS, blobs=blobs)


def test_a_missing_column_and_a_damaged_file_are_said(blobs, tmp_path):
    model = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, SIGNAL > 1)
    place, _ = pulled(model, BINARY, blobs, tmp_path)
    with pytest.raises(RequestInvalid, match="there is no column carrier"):
        Pulled(place / DATA).predict(table().drop(columns=["carrier"]))
    for file in (place / DATA).glob("model.*"):
        file.write_bytes(b"other")
    with pytest.raises(BlobMissing, match="download the model again"):
        Pulled(place / DATA)
