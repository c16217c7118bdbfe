"""Deployments without a loop: from a model's bytes to a plan that names it, with all of it on the record."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from noria.app.settings import Settings
from noria.app.wiring import build
from noria.cli.scaffold import write_project
from noria.core.errors import ArtifactRejected, NotAllowed, NotFound, RequestInvalid
from noria.core.registry import Deployment
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.state import LoopState
from noria.ledger.why import chain, decisions
from noria.loop.bringing import Order
from noria.loop.deploying import Deployments
from noria.loop.planning import bring_out
from noria.loop.verbs import Verbs
from noria.packaging import package
from noria.stages.registry import versions
from noria.stages.serving.plans import read_plan

lightgbm = pytest.importorskip("lightgbm")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(200, 3))
SIGNATURE = Signature(
    inputs=tuple(Field(name=name, kind=Kind.FLOAT) for name in "abc"),
    features=tuple(Field(name=name, kind=Kind.FLOAT) for name in "abc"),
    task=Task.REGRESSION,
)
WHO = {"by": "ada", "reason": "because"}


def text(seed):
    """A small model; another seed gives another one."""
    told = lightgbm.Dataset(X, X @ RNG.normal(size=3), params={"verbose": -1})
    return (
        lightgbm.train({"num_leaves": 4, "seed": seed, "num_threads": 1, "verbose": -1}, told, num_boost_round=3).model_to_string().encode()
    )


MODELS = [text(seed) for seed in range(3)]


def order(name, place=0, **more):
    return Order(**{"name": name, "model": MODELS[place], "signature": SIGNATURE, "sample": X, "origin": f"m{place}.txt", **more})


@pytest.fixture
def world(tmp_path):
    return build(Settings(home=str(tmp_path / ".noria")))


@pytest.fixture
def deployments(world):
    return Deployments(world)


def champion(world, name):
    return read_plan(world.plan_file).routes[name].champion


def test_a_model_is_registered_and_in_the_plan_with_who_and_why(world, deployments):
    made = deployments.deploy(order("churn"), **WHO)
    assert (made.version, made.origin, made.format, made.by) == (1, "m0.txt", "lightgbm", "ada")
    served = champion(world, "churn")
    assert (served.number, served.code, served.signature) == (1, "", SIGNATURE)
    assert np.allclose(package.load(served.artifact, blobs=world.blobs).score(X), lightgbm.Booster(model_str=MODELS[0].decode()).predict(X))
    told = chain(world.ledger, decisions(world.ledger, "churn")[0].id)
    assert [event.kind for event in told] == ["model.packaged", "version.registered", "alias.moved"]
    assert {event.by for event in told} == {"ada"} and "because" in told[-1].reasons[1]
    assert versions.get(world.records, "churn", 1).verdict.results[1].gate == "parity"


def test_deploying_again_makes_the_next_version_and_the_same_model_none(world, deployments):
    deployments.deploy(order("churn"), **WHO)
    assert deployments.deploy(order("churn", 1), **WHO).version == 2
    revision = read_plan(world.plan_file).revision
    assert deployments.deploy(order("churn", 1), **WHO).version == 2
    assert versions.latest(world.records, "churn") == 2 and read_plan(world.plan_file).revision == revision
    assert champion(world, "churn").number == 2


def test_rollback_goes_back_and_no_further_than_the_first(world, deployments):
    verbs = Verbs(world)
    for place in range(3):
        deployments.deploy(order("churn", place), **WHO)
    assert verbs.rollback("churn", **WHO) == 2 and verbs.rollback("churn", **WHO) == 1
    with pytest.raises(NotAllowed, match="no version before"):
        verbs.rollback("churn", **WHO)
    verbs.promote("churn", 3, **WHO)
    assert champion(world, "churn").number == 3
    with pytest.raises(NotAllowed, match="already"):
        verbs.promote("churn", 3, **WHO)


def test_a_deployment_that_was_taken_away_leaves_the_plan_and_comes_back(world, deployments):
    deployments.deploy(order("churn"), **WHO)
    assert deployments.undeploy("churn", **WHO).version is None
    assert read_plan(world.plan_file).routes == {}
    with pytest.raises(NotAllowed, match="taken away already"):
        deployments.undeploy("churn", **WHO)
    assert deployments.deploy(order("churn"), **WHO).version == 2
    with pytest.raises(NotFound, match="no deployment"):
        deployments.undeploy("nobody", **WHO)


def test_a_version_of_another_model_answers_under_a_name_of_its_own(world, deployments):
    deployments.deploy(order("churn"), **WHO)
    made = deployments.deploy_version("copy", "churn", 1, **WHO)
    assert made.origin == "churn@1" and champion(world, "copy").artifact == champion(world, "churn").artifact
    with pytest.raises(NotFound, match="no version 7"):
        deployments.deploy_version("copy", "churn", 7, **WHO)


def test_a_version_with_code_keeps_the_loop_that_its_features_are_of(world, deployments):
    deployments.deploy(order("churn"), **WHO)
    coded = replace(versions.get(world.records, "churn", 1), model="a-loop", code="sha256:c0de", origin="")
    world.documents.put(coded)
    deployments.deploy_version("copy", "a-loop", 1, **WHO)
    deployments.deploy_version("of-copy", "copy", 1, **WHO)
    assert {(champion(world, name).loop, champion(world, name).code) for name in ("copy", "of-copy")} == {("a-loop", "sha256:c0de")}


def test_names_that_cannot_be_are_refused(world, deployments, tmp_path):
    for name in ("Churn", "x", "../etc", "a b"):
        with pytest.raises(RequestInvalid, match="cannot be a deployment's name"):
            deployments.deploy(order(name), **WHO)
    world.documents.put(LoopState(name="late", description="", file="", code="", task=None, phase="newborn"))
    with pytest.raises(NotAllowed, match="loop's name"):
        deployments.deploy(order("late"), **WHO)


def test_a_loop_may_not_take_the_name_of_a_deployment(world, deployments, tmp_path):
    file = next(file for file in write_project(tmp_path / "project") if file.suffix == ".py")
    (state,) = Verbs(world).up(file)
    other = build(Settings(home=str(tmp_path / "other")))
    Deployments(other).deploy(order(state.name), **WHO)
    with pytest.raises(NotAllowed, match="without a loop"):
        Verbs(other).up(file)


def test_nothing_is_registered_that_does_not_answer_as_it_should(world, deployments):
    wide = replace(SIGNATURE, features=(*SIGNATURE.features, Field(name="d", kind=Kind.FLOAT)))
    wrong = [
        (order("a1", signature=wide, sample=np.empty((0, 4))), "3 features"),
        (order("a2", sample=np.empty((0, 3)), signature=replace(SIGNATURE, task=Task.MULTICLASS, classes=("0", "1", "2"))), "3 classes"),
        (order("a3", answers=np.zeros(len(X))), "as it did where it was made"),
        (order("a4", model=b"\x80\x04K\x01."), "pickle"),
    ]
    for asked, said in wrong:
        with pytest.raises(ArtifactRejected, match=said):
            deployments.deploy(asked, **WHO)
        assert versions.latest(world.records, asked.name) == 0
    right = lightgbm.Booster(model_str=MODELS[0].decode()).predict(X)
    assert deployments.deploy(order("a3", answers=right), **WHO).version == 1


def test_many_are_deployed_together_and_come_to_the_plan_at_once(world, deployments):
    made = list(deployments.deploy_all((order(f"shop-{n:03d}", n % 3) for n in range(230)), **WHO))
    assert [one.version for one in made] == [1] * 230
    assert len(read_plan(world.plan_file).routes) == 230 and read_plan(world.plan_file).revision == 1
    again = list(deployments.deploy_all((order(f"shop-{n:03d}", (n + 1) % 3) for n in range(3)), **WHO))
    assert [one.version for one in again] == [2] * 3 and champion(world, "shop-001").number == 2


def test_two_who_deploy_at_once_both_get_a_version(world):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda place: Deployments(world).deploy(order("churn", place), **WHO), [0, 1, 2, 0, 1, 2]))
    numbers = [one.version for one in made]
    assert sorted(set(numbers)) == list(range(1, versions.latest(world.records, "churn") + 1))
    now = world.documents.get(Deployment, "churn").version
    bring_out(world)
    assert champion(world, "churn").number == now


def test_a_pass_that_finds_nothing_new_writes_nothing(world, deployments):
    deployments.deploy(order("churn"), **WHO)
    before = {file: file.stat().st_mtime_ns for file in world.plan_file.parent.iterdir()}
    bring_out(world)
    assert {file: file.stat().st_mtime_ns for file in world.plan_file.parent.iterdir()} == before


def test_a_plan_that_was_lost_spoilt_or_put_back_is_made_anew(world, deployments):
    list(deployments.deploy_all((order(f"shop-{n:03d}", n % 3) for n in range(70)), **WHO))
    old = world.plan_file.read_bytes()
    deployments.undeploy("shop-000", **WHO)
    whole = read_plan(world.plan_file)
    for harm in (
        lambda: world.plan_file.unlink(),
        lambda: world.plan_file.write_bytes(old),
        lambda: world.plan_file.write_text("{"),
        lambda: [shard.unlink() for shard in (world.plan_file.parent / "routes").iterdir()],
        lambda: (world.plan_file.parent / "projected.json").unlink(),
    ):
        harm()
        deployments.undeploy("shop-001", **WHO)
        deployments.promote("shop-001", 1, **WHO)
        assert read_plan(world.plan_file).routes == whole.routes
        assert read_plan(world.plan_file).revision >= whole.revision
