"""`nr.deploy`: from a model in any of its forms to a deployment."""

import json

import numpy as np
import polars as pl
import pytest
import skops.io
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import noria as nr
from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected, DataInvalid, NotFound, RequestInvalid
from noria.core.schema import Field, Kind, Task
from noria.core.traffic import Family
from noria.packaging import package
from noria.ports import wire
from noria.stages.serving.plans import read_plan

RNG = np.random.default_rng(3)
X = RNG.normal(size=(120, 3))
Y = (X.sum(axis=1) > 0).astype(int)
ROWS = pl.DataFrame(X, schema=["age", "visits", "spent"])
TREES = {"n_estimators": 4, "verbose": -1, "n_jobs": 1}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NORIA_HOME", raising=False)
    return tmp_path


def signature(here, name):
    return read_plan(here / ".noria" / "plan" / "plan.json").routes[name].champion.signature


def test_a_home_is_made_where_there_is_none_and_names_come_from_the_example(here):
    LGBMClassifier(**TREES).fit(X, Y).booster_.save_model("m.txt")
    ROWS.write_parquet("rows.parquet")
    made = nr.deploy("churn", "m.txt", example="rows.parquet", by="ada")
    assert (made.version, made.origin, made.task) == (1, "m.txt", Task.BINARY)
    told = signature(here, "churn")
    assert [field.name for field in told.inputs] == ["age", "visits", "spent"] and told.classes == ("0", "1")


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_example_rows_may_be_in_other_files(here, suffix):
    write = {"csv": ROWS.write_csv, "json": ROWS.write_json, "jsonl": ROWS.write_ndjson}[suffix]
    write(f"rows.{suffix}")
    nr.deploy("churn", LGBMRegressor(**TREES).fit(X, Y), example=f"rows.{suffix}")
    assert [field.kind for field in signature(here, "churn").inputs] == [Kind.FLOAT] * 3


def test_fitted_models_and_skops_files_are_served_compiled(here):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, np.where(Y, "yes", "no"))
    (here / "m.skops").write_bytes(skops.io.dumps(model))
    for name, brought in (("fitted", model), ("file", "m.skops")):
        assert nr.deploy(name, brought, example=ROWS).format == "skops"
        assert signature(here, name).classes == ("no", "yes")
    manifest = next(json.loads(f.read_bytes()) for f in here.glob(".noria/blobs/*/*/*") if f.read_bytes().startswith(b'{"version"'))
    assert manifest["serving_form"] == "onnx"


def test_a_field_that_is_missing_in_the_example_may_be_missing_in_a_request(here):
    rows = ROWS.with_columns(visits=pl.Series([None, *range(119)], dtype=pl.Int64))
    nr.deploy("churn", LGBMRegressor(**TREES).fit(X, Y), example=rows)
    told = {field.name: (field.kind, field.required) for field in signature(here, "churn").inputs}
    assert told == {"age": (Kind.FLOAT, True), "visits": (Kind.INT, False), "spent": (Kind.FLOAT, True)}


def test_a_signature_may_be_written_by_hand(here):
    told = {"inputs": [{"name": name, "kind": "float"} for name in ("id", "a", "b", "c")], "task": "regression", "key": "id"}
    (here / "signature.json").write_text(json.dumps(told))
    nr.deploy("churn", LGBMRegressor(**TREES).fit(X, Y), signature="signature.json")
    assert [field.name for field in signature(here, "churn").features] == ["a", "b", "c"] and signature(here, "churn").key == "id"


def test_answers_of_where_it_was_made_must_be_answers_here(here):
    model = LGBMClassifier(**TREES).fit(X, Y)
    rows = ROWS.with_columns(said=pl.Series(model.predict_proba(X)[:, 1]))
    with pytest.raises(DataInvalid, match="4 columns"):
        nr.deploy("churn", model.booster_, example=rows)
    named = LGBMClassifier(**TREES).fit(ROWS.to_pandas(), Y)
    assert nr.deploy("churn", named, example=rows, answers="said").version == 1
    with pytest.raises(ArtifactRejected, match="where it was made, by up to"):
        nr.deploy("churn", named, example=rows.with_columns(said=pl.lit(0.5)), answers="said")


def test_what_cannot_be_is_said_with_its_mend(here):
    model = LGBMRegressor(**TREES).fit(ROWS.to_pandas(), Y)
    for wrong, error, said in (
        (lambda: nr.deploy("churn", "nowhere.txt"), NotFound, "no model at"),
        (lambda: nr.deploy("churn", "loop@3"), NotFound, "no version 3"),
        (lambda: nr.deploy("churn", model, example=ROWS.drop("age")), DataInvalid, "no column 'age'"),
        (lambda: nr.deploy("churn", model, example=ROWS.with_columns(age=pl.lit("old"))), DataInvalid, "is text"),
        (lambda: nr.deploy("churn", model, example=7), RequestInvalid, "no table"),
        (lambda: nr.deploy("churn", model, example=ROWS, answers="said"), RequestInvalid, "no column 'said'"),
        (lambda: nr.deploy("churn", {"a": 1}), ArtifactRejected, "how many inputs"),
    ):
        with pytest.raises(error, match=said):
            wrong()


def test_files_that_cannot_be_read_are_refused_with_a_way_on(here):
    (here / "s.json").write_bytes(b"PAR1\xce\x0c")
    model = LGBMRegressor(**TREES).fit(X, Y)
    for wrong, error, said, way in (
        ({"example": "nowhere.csv"}, NotFound, "no file nowhere.csv", "name a file"),
        ({"signature": "s.json"}, DataInvalid, "not JSON: it is not text", "--example"),
    ):
        with pytest.raises(error, match=said) as caught:
            nr.deploy("churn", model, **wrong)
        assert way in str(caught.value.fix)


def family_of(here):
    made = nr.deploy(
        "sales",
        LGBMRegressor(**TREES).fit(ROWS.to_pandas(), X[:, 0]),
        family={shop: LGBMRegressor(**TREES).fit(ROWS.to_pandas(), X[:, place]) for place, shop in enumerate(("east", "west"))},
        by_field="shop",
        example=ROWS.with_columns(shop=pl.Series(["east", "west", "north"] * 40)),
    )
    return made, read_plan(here / ".noria" / "plan" / "plan.json").routes["sales"].champion


def test_a_family_is_one_version_whose_requests_name_the_partition(here):
    made, served = family_of(here)
    assert made.version == 1 and served.family
    assert [(field.name, field.kind) for field in served.signature.inputs][-1] == ("shop", Kind.TEXT)
    assert [field.name for field in served.signature.features] == ["age", "visits", "spent"]
    blobs = Files(here / ".noria" / "blobs")
    family = wire.load(blobs.read(served.family), Family)
    assert family.by == "shop" and set(family.members) == {"east", "west"}
    assert all(package.load(artifact, blobs=blobs).score(X).shape == (120,) for artifact in family.members.values())
    again, _ = family_of(here)
    assert again.version == 1


def test_a_family_may_be_a_folder_of_files_named_by_partition(here):
    (here / "members").mkdir()
    for place, shop in enumerate(("7", "8")):
        LGBMRegressor(**TREES).fit(ROWS.to_pandas(), X[:, place]).booster_.save_model(f"members/{shop}.txt")
    rows = ROWS.with_columns(shop=pl.Series([7, 8] * 60))
    nr.deploy("sales", "members/7.txt", family="members", by_field="shop", example=rows)
    assert signature(here, "sales").inputs[-1] == Field(name="shop", kind=Kind.INT, required=False)


def test_members_that_do_not_fit_their_parent_are_refused(here):
    parent = LGBMRegressor(**TREES).fit(ROWS.to_pandas(), X[:, 0])
    wide = LGBMRegressor(**TREES).fit(ROWS.with_columns(more=pl.lit(1.0)).to_pandas(), X[:, 0])
    other = LGBMClassifier(**TREES).fit(ROWS.to_pandas(), Y)
    for family, field, error, said in (
        ({"a": wide}, "shop", ArtifactRejected, "takes more, which requests"),
        ({"a": other}, "shop", ArtifactRejected, "answers another question"),
        ({}, "shop", RequestInvalid, "no model in the family"),
        ({"a": parent}, "", RequestInvalid, "needs the name of the field"),
    ):
        with pytest.raises(error, match=said):
            nr.deploy("sales", parent, family=family, by_field=field)
