"""A graph as a deployment: held against its members where it is deployed, versioned, moved and taken away like any other."""

from __future__ import annotations

import numpy as np
import pytest

from noria.app.settings import Settings
from noria.app.wiring import build
from noria.core.errors import ArtifactRejected, DeclarationInvalid, NotAllowed, RequestInvalid
from noria.core.graphs import Chain, Ensemble, Switch
from noria.core.registry import Deployment
from noria.core.schema import Field, Kind, Signature, Task
from noria.ledger.why import chain, decisions
from noria.loop.bringing import Order
from noria.loop.deploying import Deployments
from noria.loop.source import graph
from noria.loop.verbs import Verbs
from noria.packaging import package
from noria.packaging.footprint import footprint_bytes
from noria.stages.registry import versions
from noria.stages.serving.plans import read_plan

lightgbm = pytest.importorskip("lightgbm")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(120, 3))
WHO = {"by": "ada", "reason": "because"}
BOTH = Ensemble(weights={"one": 3, "two": 1})


def taking(names, task=Task.REGRESSION, classes=()):
    fields = tuple(Field(name=name, kind=Kind.FLOAT) for name in names)
    return Signature(inputs=fields, features=fields, task=task, classes=classes)


def text(target, objective="regression"):
    told = lightgbm.Dataset(X, target, params={"verbose": -1})
    params = {"num_leaves": 4, "num_threads": 1, "verbose": -1, "objective": objective}
    return lightgbm.train(params, told, num_boost_round=2).model_to_string().encode()


MODELS = {"number": text(X @ [1.0, 2.0, 3.0]), "other": text(X @ [3.0, 1.0, 0.0]), "yes": text((X[:, 0] > 0).astype(int), "binary")}


@pytest.fixture
def world(tmp_path):
    return build(Settings(home=str(tmp_path / ".noria")))


@pytest.fixture
def deployments(world):
    found = Deployments(world)
    found.deploy(order("one"), **WHO)
    found.deploy(order("two", "other"), **WHO)
    return found


def order(name, model="number", signature=None):
    return Order(name=name, model=MODELS[model], signature=signature or taking("abc"), sample=X, origin=f"{model}.txt")


def champion(world, name):
    return read_plan(world.plan_file).routes[name].champion


def test_a_graph_is_registered_and_in_the_plan_with_its_members_on_the_record(world, deployments):
    made = deployments.deploy_graph("both", BOTH, **WHO)
    assert (made.version, made.format, made.task, made.members) == (1, "graph", Task.REGRESSION, ("one", "two"))
    assert made.origin == "the mean of one (0.75) and two (0.25)"
    served = champion(world, "both")
    assert served.graph is not None and served.graph.graph == BOTH
    assert [field.name for field in served.signature.inputs] == ["a", "b", "c"]
    told = chain(world.ledger, decisions(world.ledger, "both")[0].id)
    assert [event.kind for event in told] == ["model.packaged", "version.registered", "alias.moved"]
    assert told[0].reasons[1] == "its members fit (one v1, two v1): it takes a, b, c and answers regression"
    assert champion(world, "one").artifact in told[0].made_from


def test_another_declaration_is_the_next_version_the_same_is_none_and_rollback_goes_back(world, deployments):
    deployments.deploy_graph("both", BOTH, **WHO)
    assert deployments.deploy_graph("both", BOTH, **WHO).version == 1
    assert deployments.deploy_graph("both", Ensemble(weights={"one": 1, "two": 1}), **WHO).version == 2
    assert Verbs(world).rollback("both", **WHO) == 1
    assert champion(world, "both").graph.graph == BOTH
    assert deployments.deploy(order("both"), **WHO).members == () and champion(world, "both").graph is None
    assert deployments.rollback("both", **WHO).members == ("one", "two")


def test_a_member_is_not_taken_away_while_a_graph_asks_it(world, deployments):
    deployments.deploy_graph("both", BOTH, **WHO)
    with pytest.raises(NotAllowed, match="both asks one"):
        deployments.undeploy("one", **WHO)
    deployments.undeploy("both", **WHO)
    assert deployments.undeploy("one", **WHO).version is None
    with pytest.raises(NotAllowed, match="v1 of both cannot answer: nothing answers as 'one'"):
        deployments.promote("both", 1, **WHO)


def test_a_version_that_its_members_do_not_fit_any_more_is_not_gone_back_to(world, deployments):
    deployments.deploy_graph("both", BOTH, **WHO)
    deployments.deploy_graph("both", Ensemble(weights={"one": 1}), **WHO)
    deployments.deploy(order("two", "yes", taking("abc", Task.BINARY, ("no", "yes"))), **WHO)
    with pytest.raises(NotAllowed, match="one answers regression and two answers binary"):
        deployments.rollback("both", **WHO)


def test_a_version_is_held_against_what_it_was_deployed_to_take(world, deployments):
    deployments.deploy_graph("solo", Ensemble(weights={"one": 1}), **WHO)
    deployments.deploy_graph("solo", Ensemble(weights={"two": 1}), **WHO)
    deployments.deploy(order("one", signature=taking("abd")), **WHO)
    with pytest.raises(NotAllowed, match="one: it wants d now, which requests to the graph do not carry"):
        deployments.rollback("solo", **WHO)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Ensemble(weights={"one": 1, "nobody": 1}), "nothing answers as 'nobody'"),
        (Ensemble(weights={"one": 1, "both": 1}), "both → both: a graph cannot ask itself"),
        (Ensemble(weights={}), "an ensemble needs members"),
        (Ensemble(weights={"one": "much"}), "the graph cannot be one"),
        (Chain(first="one", then="two", as_field="risk"), "two takes no number named 'risk'"),
        (Switch(by="a", cases={}, otherwise="one", fallback="nobody"), "nothing answers as 'nobody'"),
    ],
)
def test_a_graph_that_cannot_answer_is_not_deployed(world, deployments, made, said):
    with pytest.raises(RequestInvalid, match=said):
        deployments.deploy_graph("both", made, **WHO)
    assert "both" not in read_plan(world.plan_file).routes and versions.latest(world.records, "both") == 0


def test_graphs_do_not_come_to_ask_each_other(world, deployments):
    deployments.deploy_graph("both", BOTH, **WHO)
    deployments.deploy_graph("outer", Ensemble(weights={"both": 1}), **WHO)
    assert champion(world, "outer").signature.inputs == champion(world, "both").signature.inputs
    with pytest.raises(RequestInvalid, match="both → outer → both: a graph cannot ask itself"):
        deployments.deploy_graph("both", Ensemble(weights={"outer": 1}), **WHO)
    with pytest.raises(RequestInvalid, match="cannot ask itself"):
        deployments.deploy_version("one", "both", 1, **WHO)


def test_a_graph_is_no_model_to_open_score_or_weigh(world, deployments):
    deployments.deploy_graph("both", BOTH, **WHO)
    artifact = champion(world, "both").artifact
    with pytest.raises(ArtifactRejected, match="a graph has no model of its own"):
        package.load(artifact, blobs=world.blobs)
    assert footprint_bytes(artifact, blobs=world.blobs) < 100_000


def test_a_record_from_before_graphs_opens(world, deployments):
    found = world.documents.get(Deployment, "one")
    assert found.members == ()


def test_a_file_declares_a_graph(tmp_path):
    file = tmp_path / "graph.py"
    file.write_text("import noria as nr\nblend = nr.Ensemble(weights={'a': 1})\n")
    assert graph(file, "anything") == Ensemble(weights={"a": 1})
    file.write_text(file.read_text() + "by_land = nr.Switch(by='land', cases={}, otherwise='a')\n")
    assert graph(file, "by-land") == Switch(by="land", cases={}, otherwise="a")
    with pytest.raises(DeclarationInvalid, match="declares blend, by_land → call the one that is other `other`"):
        graph(file, "other")
    file.write_text("")
    with pytest.raises(DeclarationInvalid, match="declares no graph"):
        graph(file, "blend")
