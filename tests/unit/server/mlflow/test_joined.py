"""What Noria registered, as MLflow's own client sees, loads and promotes it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import yaml
from lightgbm import LGBMRegressor
from mlflow.exceptions import MlflowException

import noria as nr
from noria.app.settings import Settings
from noria.app.wiring import build
from noria.core.errors import ArtifactRejected, NotFound, RequestInvalid
from noria.core.rights import LOCAL, Principal, Role
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.training import Run, RunState
from noria.core.turning import Event
from noria.loop.bringing import Order
from noria.loop.mirrored import Mirror
from noria.loop.verbs import Verbs
from noria.packaging import package
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.endpoints import Tracking
from noria.server.mlflow.table import ENDPOINTS
from noria.stages.registry import versions

RNG = np.random.default_rng(5)
X = RNG.normal(size=(200, 3))
FIELDS = tuple(Field(name=name, kind=Kind.FLOAT) for name in "abc")
SIGNATURE = Signature(inputs=FIELDS, features=FIELDS, task=Task.REGRESSION)
MODELS = [
    LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(X, X @ RNG.normal(size=3), feature_name=list("abc")).booster_ for _ in range(2)
]


@pytest.fixture
def house(tmp_path, monkeypatch, serve):
    world = build(Settings(home=str(tmp_path / ".noria")))
    verbs = Verbs(world)
    tracking = Tracking(
        store=world.store, ledger=world.ledger, blobs=world.blobs, wall=world.wall, house=Mirror(world, verbs.promote, noria="0")
    )
    caller = SimpleNamespace(now=LOCAL)

    async def whoever(headers, *, method, address):
        return caller.now

    with serve(MlflowApp(tracking, ENDPOINTS, callers=whoever, hosts=("127.0.0.1",))) as url:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
        yield SimpleNamespace(world=world, verbs=verbs, client=mlflow.MlflowClient(), caller=caller)


def deploy(house, place, name="churn"):
    order = Order(name=name, model=MODELS[place], signature=SIGNATURE, sample=X, origin=f"m{place}.txt")
    return house.verbs.deployments.deploy(order, by="ada", reason="because")


def test_a_deployment_is_a_registered_model_that_the_client_loads_and_that_answers_alike(house):
    import pandas as pd

    deploy(house, 0)
    deploy(house, 1)
    found = house.client.get_registered_model("churn")
    assert (found.aliases, [one.version for one in found.latest_versions]) == ({"champion": "2"}, ["2"])
    version = house.client.get_model_version("churn", "1")
    assert version.tags["noria.origin"] == "m0.txt"
    assert version.tags["noria.artifact"].startswith("sha256:")
    pytest.importorskip("mlflow.pyfunc")
    for uri, model in (("models:/churn@champion", MODELS[1]), ("models:/churn/1", MODELS[0])):
        loaded = mlflow.pyfunc.load_model(uri)
        np.testing.assert_allclose(loaded.predict(pd.DataFrame(X, columns=list("abc"))), model.predict(X), rtol=0, atol=1e-9)


def test_moving_the_champion_is_a_promotion_for_operators_alone_and_told_with_who(house):
    deploy(house, 0)
    deploy(house, 1)
    house.client.set_registered_model_alias("churn", "champion", "1")
    assert house.verbs.deployments.find("churn").version == 1
    assert house.client.get_model_version_by_alias("churn", "champion").version == "1"
    house.caller.now = Principal(name="eve", roles={"*": Role.CONTRIBUTOR})
    with pytest.raises(MlflowException, match="may not move 'champion'") as error:
        house.client.set_registered_model_alias("churn", "champion", "2")
    assert error.value.error_code == "PERMISSION_DENIED"
    house.client.set_registered_model_alias("churn", "shown", "2")
    house.caller.now = LOCAL
    with pytest.raises(MlflowException, match="cannot be taken away here"):
        house.client.delete_registered_model_alias("churn", "champion")
    moves = house.world.ledger.events(loop="churn", kind="alias.moved")
    assert [(event.by, event.reasons[0]) for event in moves] == [
        ("ada", "champion: none → v1"),
        ("ada", "champion: v1 → v2"),
        ("local", "champion: v2 → v1"),
        ("eve", "shown: none → v2"),
    ]


def test_a_name_of_the_house_takes_no_versions_from_clients_and_a_clients_name_stays_its_own(house):
    deploy(house, 0)
    with pytest.raises(MlflowException, match="already exists"):
        house.client.create_registered_model("churn")
    with pytest.raises(MlflowException, match="the name of a deployment of Noria") as error:
        house.client.create_model_version("churn", "s3://bucket/x")
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
    for refused in (
        lambda: house.client.delete_registered_model("churn"),
        lambda: house.client.rename_registered_model("churn", "x"),
        lambda: house.client.delete_model_version("churn", "1"),
    ):
        with pytest.raises(MlflowException, match="is kept by the deployment of that name"):
            refused()
    house.client.create_registered_model("theirs")
    house.client.create_model_version("theirs", "s3://bucket/x")
    deploy(house, 1, name="theirs")
    assert [one.source for one in house.client.search_model_versions("name = 'theirs'")] == ["s3://bucket/x"]


def test_looking_again_brings_nothing_twice_and_another_process_sees_the_same(house):
    deploy(house, 0)
    first = house.client.get_registered_model("churn")
    other = Mirror(house.world, house.verbs.promote, noria="0")
    other.refresh()
    other._position = -1
    other._seen.clear()
    other.refresh()
    assert house.client.get_registered_model("churn") == first or vars(house.client.get_registered_model("churn")) == vars(first)
    assert len(house.client.search_model_versions("name = 'churn'")) == 1


def test_runs_of_a_loop_are_runs_of_an_experiment_of_its_name(house):
    at = house.world.clock.now()
    run = Run(
        id="run_1", loop="late", turn="turn_1", kind="train", state=RunState.COMPLETE, started_at=at, ended_at=at,
        params={"leaves": 31}, metrics={"roc_auc": 0.71},
    )  # fmt: skip
    event: Event = house.world.ledger.event("candidate.trained", loop="late", subject="late")
    house.world.records.commit(house.world.documents.write(run), house.world.ledger.line(event))
    house.client.search_registered_models()
    experiment = house.client.get_experiment_by_name("late")
    found = house.client.get_run("run_1")
    assert (found.info.experiment_id, found.info.status) == (experiment.experiment_id, "FINISHED")
    assert (found.data.params, found.data.metrics, found.data.tags["noria.turn"]) == ({"leaves": "31"}, {"roc_auc": 0.71}, "turn_1")
    house.world.records.commit(house.world.documents.write(replace(run, id="run_2")), house.world.ledger.line(replace(event, id="e2")))
    house.client.search_registered_models()
    assert house.client.get_run("run_2").data.params == {"leaves": "31"}


def logged(house, tmp_path, *, trusted=False):
    """A run of an MLflow client with a model in it, registered as `ours`."""
    folder = tmp_path / "made" / "model"
    folder.mkdir(parents=True)
    kind = {"lightgbm": {"data": "model.txt", "model_class": "lightgbm.basic.Booster"}}
    pickled = {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}}
    inputs = json.dumps([{"type": "double", "name": name, "required": True} for name in "abc"])
    told = {"flavors": pickled if trusted else kind, "signature": {"inputs": inputs}}
    (folder / "MLmodel").write_text(yaml.safe_dump(told))
    if not trusted:
        MODELS[0].save_model(folder / "model.txt")
    run = house.client.create_run("0")
    house.client.log_artifacts(run.info.run_id, str(folder), "model")
    house.client.create_registered_model("ours")
    version = house.client.create_model_version("ours", f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
    house.client.set_registered_model_alias("ours", "champion", version.version)
    return run.info.run_id


@pytest.mark.parametrize("uri", ["models:/ours@champion", "models:/ours/1", "models:/ours/latest", "runs:/{run}/model"])
def test_what_a_client_logged_goes_straight_into_a_deployment(house, tmp_path, uri):
    run = logged(house, tmp_path)
    made = nr.deploy("served", uri.format(run=run), home=house.world.home, by="ada")
    assert (made.version, made.format, made.by) == (1, "lightgbm", "ada")
    assert made.origin == (f"runs:/{run}/model" if uri.startswith("runs") else f"models:/ours/1 of run {run}")
    artifact = versions.get(house.world.records, "served", 1).candidate.artifact
    np.testing.assert_allclose(package.load(artifact, blobs=house.world.blobs).score(X), MODELS[0].predict(X), rtol=0, atol=1e-9)
    if uri.startswith("models"):
        assert house.client.get_model_version("ours", "1").tags == {"noria.deployed_as": "served@1"}


def test_the_name_of_a_clients_model_may_be_a_deployments_too(house, tmp_path):
    logged(house, tmp_path)
    assert nr.deploy("ours", "models:/ours@champion", home=house.world.home).version == 1
    assert len(house.client.search_model_versions("name = 'ours'")) == 1


def test_a_version_of_the_house_is_deployed_as_it_is(house):
    deploy(house, 0)
    assert nr.deploy("again", "models:/churn@champion", home=house.world.home).origin == "churn@1"


def test_a_pickle_is_refused_with_what_to_do_and_so_is_what_is_not_there(house, tmp_path):
    logged(house, tmp_path, trusted=True)
    with pytest.raises(ArtifactRejected, match="or trust it"):
        nr.deploy("served", "models:/ours@champion", home=house.world.home)
    for uri in ("models:/none/1", "models:/ours@other", "models:/m-none", "runs:/none/model"):
        with pytest.raises(NotFound):
            nr.deploy("served", uri, home=house.world.home)
    house.client.create_registered_model("far")
    house.client.create_model_version("far", "s3://bucket/x")
    with pytest.raises(RequestInvalid, match="kept elsewhere"):
        nr.deploy("served", "models:/far/1", home=house.world.home)
