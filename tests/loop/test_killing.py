"""The kill switch takes a version out at once, whatever else happens, and holds the loop until a person resumes it."""

from __future__ import annotations

import pytest

from noria.core.state import LoopState
from noria.core.traffic import Kill
from noria.core.turning import Rollout, RolloutPhase, TurnState
from noria.ledger.why import chain, to_text
from noria.loop import intervening
from noria.loop.planning import open_rollout
from noria.stages.registry import aliases
from noria.stages.serving import killing, log
from noria.stages.serving.plans import read_plan

CANARY = "rollout=nr.Canary(steps=[20, 50, 100], min_rows=100, shadow_rows=100"


def champion(one) -> int | None:
    return aliases.current(one.world.records, "orders", "champion")


def state(one) -> LoopState:
    return one.world.documents.get(LoopState, "orders")


@pytest.fixture()
def rolling_out(noria):
    """A loop whose second version is being brought in."""
    one = noria(margin=0.05, per_day=200)
    one.be_born()
    one.days(2, parts=2)
    one.verbs.turn("orders", by="test", reason="a new one")
    one.settle()
    one.day(parts=2)
    assert open_rollout(one.world.documents, "orders") is not None
    return one


def test_a_kill_takes_the_challenger_out_and_no_other_comes_in_until_the_loop_is_resumed(rolling_out):
    one = rolling_out
    done = one.verbs.kill("orders", by="ops", reason="it insults people")
    assert (done.gone, done.champion) == (2, 1)
    assert read_plan(one.world.plan_file).routes["orders"].challenger is None
    assert state(one).held == "killed by ops: it insults people"
    one.settle()
    assert one.states()[-1] is TurnState.ROLLED_BACK
    (killed,) = one.events("loop.killed")
    assert (killed.by, killed.subject) == ("ops", "orders@2")
    assert "it insults people" in to_text(chain(one.world.ledger, killed.id))

    one.verbs.turn("orders", by="test", reason="mended")
    one.settle()
    one.day(parts=2)
    assert open_rollout(one.world.documents, "orders") is None
    assert one.states()[-1] is TurnState.OPEN
    assert state(one).next_action.startswith("held, killed by ops")
    one.verbs.pause("orders", False, by="ops", reason="mended")
    one.settle()
    assert open_rollout(one.world.documents, "orders").challenger == 3
    assert state(one).held == ""
    assert one.failed == 0


def test_without_a_challenger_a_kill_goes_back_to_the_last_good_champion(rolling_out):
    one = rolling_out
    one.verbs.promote("orders", 2, by="test", reason="in a hurry")
    one.settle()
    assert (champion(one), one.states()[-1]) == (2, TurnState.DONE)
    assert one.world.documents.find(Rollout)[-1].phase is RolloutPhase.PROMOTED
    assert one.verbs.kill("orders", by="ops", reason="").champion == 1
    assert champion(one) == 1
    assert read_plan(one.world.plan_file).routes["orders"].champion.number == 1
    again = one.verbs.kill("orders", by="ops", reason="again")
    assert (again.gone, again.champion) == (None, 1)


def test_one_that_is_just_being_promoted_is_killed_too(rolling_out):
    one = rolling_out
    running = open_rollout(one.world.documents, "orders")
    intervening.accept(one.world, running, "a look came first")
    done = one.verbs.kill("orders", by="ops", reason="too late, almost")
    one.settle()
    assert (done.champion, champion(one), one.states()[-1]) == (1, 1, TurnState.ROLLED_BACK)


def test_what_was_ordered_at_the_data_plane_is_done_here_too(rolling_out):
    one = rolling_out
    file = one.world.home / "dataplane" / killing.FILE
    killing.order(file, Kill(deployment="orders", versions=(2,), by="ops", because="no time", at="2024-01-01T00:00:00+00:00"))
    killing.order(file, Kill(deployment="somebody-elses", versions=(7,), by="ops", because="", at="2024-01-01T00:00:00+00:00"))
    one.settle()
    assert open_rollout(one.world.documents, "orders") is None
    assert state(one).held.startswith("killed by ops: no time (ordered at the data plane, 2024-01-01")
    assert set(killing.killed(file)) == {"somebody-elses"}


@pytest.mark.parametrize("granted", [True, False])
def test_a_person_decides_on_a_shadow_that_is_over(noria, declaration, granted):
    shadowed = declaration.replace(CANARY, "rollout=nr.Shadow(150").replace('"latency", ', "")
    one = noria(margin=0.05, per_day=200, declaration=shadowed)
    one.be_born()
    one.days(2, parts=2)
    one.verbs.turn("orders", by="test", reason="a new one")
    one.settle()
    one.days(3, parts=2)
    assert state(one).phase == "waiting-for-approval"
    assert "computed unseen without harm: a person decides" in state(one).next_action
    one.verbs.approve("orders", granted=granted, by="Ann", reason="I saw it")
    one.settle()
    assert champion(one) == (2 if granted else 1)
    assert one.states()[-1] is (TurnState.DONE if granted else TurnState.ROLLED_BACK)
    assert [event.by for event in one.events("approval.granted" if granted else "approval.refused")] == ["Ann"]
    told = log.predictions(one.world.log_folder, "orders", versions=[2], roles=["challenger"])
    assert told.is_empty()


@pytest.mark.parametrize("fault", ["", "wrong"])
def test_all_traffic_moves_at_once_and_goes_back_on_harm(noria, declaration, fault):
    one = noria(
        margin=0.05, per_day=200, declaration=declaration.replace(CANARY, 'rollout=nr.BlueGreen("1d", min_rows=150, shadow_rows=100')
    )
    one.be_born()
    one.days(2, parts=2)
    if fault:
        one.verbs.drill("orders", fault, by="test", reason="a drill")
    one.verbs.turn("orders", by="test", reason="a new one")
    one.settle()
    one.days(4, parts=2)
    ended = one.world.documents.find(Rollout)[0]
    assert (ended.kind, ended.phase) == ("bluegreen", RolloutPhase.ROLLED_BACK if fault else RolloutPhase.PROMOTED), ended.reason
    assert (champion(one), one.failed) == (1 if fault else 2, 0)
    if not fault:
        control = log.predictions(one.world.log_folder, "orders", roles=["control"])
        assert control.height == ended.touched
        assert set(control["version"]) == {1}
