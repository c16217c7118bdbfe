"""A new version of a deployment without a loop on a share of its traffic: guarded, promoted by a person or by its steps, and on the record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from noria.adapters.journal_files import FileJournalWriter
from noria.app.settings import Settings
from noria.app.wiring import build
from noria.core.errors import NotAllowed, RequestInvalid
from noria.core.graphs import Ensemble
from noria.core.moments import to_ms
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Prediction, Role
from noria.core.turning import Rollout, RolloutPhase
from noria.ledger.why import chain, decisions
from noria.loop.bringing import Order
from noria.loop.deploying import Deployments
from noria.loop.ingest import ingest
from noria.loop.planning import open_rollout
from noria.loop.verbs import Verbs
from noria.stages.registry import versions
from noria.stages.serving.frames import encode, gathered
from noria.stages.serving.plans import read_plan
from noria.stages.serving.routing import bucket

lightgbm = pytest.importorskip("lightgbm")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(120, 3))
WHO = {"by": "ada", "reason": "because"}


def taking(names, task=Task.REGRESSION, classes=()):
    fields = tuple(Field(name=name, kind=Kind.FLOAT) for name in names)
    return Signature(inputs=fields, features=fields, task=task, classes=classes)


def text(target):
    told = lightgbm.Dataset(X, target, params={"verbose": -1})
    return lightgbm.train({"num_leaves": 4, "num_threads": 1, "verbose": -1}, told, num_boost_round=2).model_to_string().encode()


MODELS = [text(X @ np.array(w)) for w in ([1.0, 2.0, 3.0], [3.0, 1.0, 0.0], [0.0, 0.0, 1.0])]


class Home:
    """A home with one deployment, and requests to it as the data plane would log them."""

    def __init__(self, folder):
        self.settings = Settings(home=str(folder))
        self.world = build(self.settings)
        self.deployments = Deployments(self.world)
        self.asked = 0
        self.deploy(0)

    def deploy(self, place, canary=(), **changes):
        order = Order(name="churn", model=MODELS[place], signature=taking("abc"), sample=X, origin=f"m{place}.txt")
        return self.deployments.deploy(replace(order, **changes), canary=canary, **WHO)

    @property
    def route(self):
        return read_plan(self.world.plan_file).routes["churn"]

    @property
    def running(self):
        return open_rollout(self.world.documents, "churn")

    def flow(self, rows, *, failing=0.0, slow_us=1_000):
        """Requests, dealt as the plan says; a share of the new version's fails."""
        rollout, writer = self.running, FileJournalWriter(self.settings.folder / "journal", "predictions")
        start, found = to_ms(self.world.clock.now()) + 1, []
        for n in range(rows):
            self.asked += 1
            key, fails = f"r{self.asked}", self.asked % 100 < 100 * failing
            common = {"request_id": key, "deployment": "churn", "time_ms": start + n // 500, "key": key, "inputs": {"a": 1.0}, "served": {}}
            if bucket(rollout.id, key) < rollout.share:
                answer = None if fails else 0.5
                role, version, why = Role.CHALLENGER, rollout.challenger, "it broke" if fails else ""
                found.append(Prediction(**common, version=version, role=role, answer=answer, latency_us=slow_us, error=why))
            else:
                found.append(Prediction(**common, version=rollout.champion, role=Role.CHAMPION, answer=0.5, latency_us=1_000))
        writer.append([encode(frame) for frame in gathered(found)])
        writer.sync()
        writer.close()
        ingest(self.world)
        return self.deployments.look_at_canaries()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".noria")


def test_the_new_version_is_registered_and_answers_its_share_while_the_other_stays_champion(home):
    made = home.deploy(1, canary=[10])
    assert made.version == 1 and versions.latest(home.world.records, "churn") == 2
    route = home.route
    assert (route.champion.number, route.challenger.number, route.challenger_share, route.shadow) == (1, 2, 0.1, False)
    assert route.salt == home.running.id


def test_a_person_promotes_it_and_rollback_goes_back_to_the_version_before(home):
    home.deploy(1, canary=[10])
    Verbs(home.world).promote("churn", 2, **WHO)
    assert home.running is None and (home.route.champion.number, home.route.challenger) == (2, None)
    assert home.world.documents.find(Rollout)[0].phase is RolloutPhase.PROMOTED
    assert Verbs(home.world).rollback("churn", **WHO) == 1


def test_rollback_takes_it_out_first_and_the_champion_stays(home):
    home.deploy(1, canary=[10])
    assert Verbs(home.world).rollback("churn", **WHO) == 1
    assert home.running is None and (home.route.champion.number, home.route.challenger) == (1, None)
    kinds = {event.kind for event in chain(home.world.ledger, decisions(home.world.ledger, "churn")[0].id)}
    assert kinds == {"model.packaged", "version.registered", "rollout.begun", "rollout.rolled-back"}


def test_errors_take_it_out_without_a_person(home):
    home.deploy(1, canary=[20])
    assert home.flow(3_000, failing=0.2) == 1
    assert home.running is None and home.route.challenger is None and home.route.champion.number == 1
    (ended,) = home.world.documents.find(Rollout)
    assert "errors: harm" in ended.reason and ended.failed > 0


def test_slowness_takes_it_out_too(home):
    home.deploy(1, canary=[20])
    assert home.flow(3_000, slow_us=400_000) == 1
    assert home.running is None


def test_one_that_does_well_waits_for_a_person(home):
    home.deploy(1, canary=[20])
    assert home.flow(6_000) == 0
    assert home.running.share == 0.2 and home.route.challenger.number == 2
    assert home.running.reason == "nothing speaks of harm; `noria promote 2 churn` makes it champion"
    assert {guard.guard for guard in home.running.looks} == {"errors", "nan", "latency"}


def test_steps_that_end_at_all_traffic_go_up_and_are_promoted_by_themselves(home):
    home.deploy(1, canary=[20, 50, 100])
    assert home.flow(6_000) == 1 and home.running.share == 0.5 and home.route.challenger_share == 0.5
    assert home.flow(6_000) == 1
    assert home.running is None and home.route.champion.number == 2
    told = chain(home.world.ledger, decisions(home.world.ledger, "churn")[0].id)
    assert told[-1].kind in ("alias.moved", "rollout.promoted") and "rollout.begun" in {event.kind for event in told}
    assert home.deployments.find("churn").version == 2


def test_another_deployment_or_taking_it_away_ends_the_canary(home):
    home.deploy(1, canary=[10])
    with pytest.raises(NotAllowed, match="a canary is under way"):
        home.deploy(2, canary=[10])
    assert home.deploy(2).version == 3
    assert home.running is None and home.route.challenger is None
    home.deploy(1, canary=[10])
    home.deployments.undeploy("churn", **WHO)
    assert home.running is None and "churn" not in read_plan(home.world.plan_file).routes


def test_what_could_not_be_compared_is_refused(home):
    with pytest.raises(RequestInvalid, match="requires d, which requests of today do not carry"):
        home.deploy(1, canary=[10], signature=taking("abd"))
    with pytest.raises(NotAllowed, match="nothing answers that it could be held against"):
        home.deploy(1, canary=[10], name="new")
    home.deployments.deploy_graph("both", Ensemble(weights={"churn": 1}), **WHO)
    with pytest.raises(RequestInvalid, match="a graph has no canary"):
        home.deploy(1, canary=[10], name="both")
    assert versions.latest(home.world.records, "churn") == 1


@pytest.mark.parametrize("steps", [[0], [-5], [101], [100], [50, 10], [10, 10]])
def test_steps_are_percentages_that_rise(home, steps):
    with pytest.raises(RequestInvalid, match="are no steps of a canary"):
        home.deploy(1, canary=steps)
