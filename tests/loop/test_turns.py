"""Whole turns of the loop, on a turned clock."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from noria.core.data import DatasetVersion
from noria.core.errors import NotAllowed
from noria.core.state import LoopState
from noria.core.training import Run
from noria.core.turning import Cause, Rollout, RolloutPhase, Turn, TurnState
from noria.core.watching import Incident
from noria.ledger.why import chain, decisions, to_text
from noria.loop.enrol import in_force
from noria.loop.gathering import gather
from noria.stages.features.parity import compare, recompute
from noria.stages.registry import aliases, versions
from noria.stages.serving import log


def champion(world) -> int | None:
    return aliases.current(world.records, "orders", "champion")


def test_a_loop_is_born_and_serves(noria):
    one = noria()
    one.be_born()
    assert one.states() == [TurnState.DONE]
    assert champion(one.world) == 1
    one.days(2)
    assert one.failed == 0
    assert one.asked == 600


def test_every_request_is_accounted_for(noria):
    one = noria()
    one.be_born()
    one.days(2)
    counted = one.desk.counters()
    assert counted.requests == counted.logged + counted.sampled_out + counted.dropped == one.asked
    assert log.predictions(one.world.log_folder, "orders")["request_id"].n_unique() == one.asked


def test_covariate_drift_with_labels_ends_in_a_promotion(noria):
    one = noria(margin=0.05)
    one.be_born()
    one.days(6)
    one.shop.shift = np.array([1.5, 1.0])
    one.days(24)
    kinds = {turn.signal.cause for turn in one.turns()}
    assert "drift" in kinds or "quality" in kinds
    assert champion(one.world) >= 2
    assert one.failed == 0


def test_concept_drift_with_late_labels_ends_in_a_promotion(noria):
    one = noria()
    one.be_born()
    one.days(6)
    one.shop.weights = np.array([-0.4, -1.4])
    one.days(30)
    assert any(turn.signal.cause == "quality" for turn in one.turns())
    assert champion(one.world) >= 2
    assert one.failed == 0
    text = to_text(chain(one.world.ledger, one.events("rollout.promoted")[0].id))
    for word in (
        "incident.opened",
        "turn.started",
        "data.taken",
        "scorecard.made",
        "verdict.reached",
        "rollout.started",
        "rollout.promoted",
    ):
        assert word in text


@pytest.mark.parametrize("fault", ["wrong", "slow", "crash"])
def test_a_bad_challenger_is_rolled_back_without_a_failed_request(noria, fault):
    one = noria(margin=0.05)
    one.be_born()
    one.days(7)
    one.verbs.drill("orders", fault, by="test", reason="a drill")
    one.verbs.turn("orders", by="test", reason="a drill")
    one.days(8)
    rollout = one.world.documents.find(Rollout)[0]
    assert rollout.phase is RolloutPhase.ROLLED_BACK
    assert one.failed == 0
    assert champion(one.world) == 1
    assert one.turns()[-1].state is TurnState.ROLLED_BACK
    tried = log.predictions(one.world.log_folder, "orders", versions=[2], roles=["challenger"])
    assert rollout.touched == tried["request_id"].n_unique()
    assert "request" in to_text(chain(one.world.ledger, one.events("rollout.rolled-back")[0].id))


def test_a_candidate_that_beats_nobody_is_refused_and_says_why(noria):
    one = noria(margin=0.0)
    one.be_born()
    one.days(7)
    one.verbs.turn("orders", by="test", reason="to see it refused")
    one.days(1)
    assert one.turns()[-1].state is TurnState.REFUSED
    text = to_text(chain(one.world.ledger, one.events("turn.refused")[0].id))
    assert "beats_champion" in text and "to see it refused" in text
    assert champion(one.world) == 1


def test_the_policy_says_no_and_why(noria):
    one = noria(margin=0.05)
    one.be_born()
    one.shop.shift = np.array([2.0, 2.0])
    one.days(4)
    declined = one.events("policy.declined")
    assert declined and any("too few new outcomes" in reason or "cooldown" in reason for reason in declined[0].reasons)
    assert [turn.signal.cause for turn in one.turns()] == ["birth"]


def test_training_data_that_is_too_old_is_a_reason_to_turn_though_it_wakes_nobody(noria, declaration):
    one = noria(declaration=declaration.replace('nr.freshness("400d")', 'nr.freshness("6d")'))
    one.be_born()
    one.days(9)
    scheduled = [turn for turn in one.turns() if turn.signal.cause is Cause.SCHEDULE]
    assert scheduled and "is old" in scheduled[0].signal.reason
    assert all(incident.severity == "notice" for incident in one.world.documents.find(Incident) if "freshness" in incident.subjects[0])


def test_a_quiet_month_brings_at_most_one_false_incident_and_no_promotion(noria):
    one = noria(margin=0.0)
    one.be_born()
    one.days(30, parts=1)
    pages = [incident for incident in one.world.documents.find(Incident) if incident.severity == "page"]
    assert len(pages) <= 1
    assert champion(one.world) == 1


def test_rollback_by_hand_goes_back_at_once(noria):
    one = noria(margin=0.05)
    one.be_born()
    one.days(7)
    one.verbs.turn("orders", by="test", reason="a new one")
    one.days(6)
    assert champion(one.world) == 2
    assert one.verbs.rollback("orders", by="ops", reason="woken at night") == 1
    assert champion(one.world) == 1
    newest = decisions(one.world.ledger, "orders", 1)[0]
    assert newest.by == "ops" and "woken at night" in " ".join(newest.reasons)


@pytest.mark.parametrize("granted", [True, False])
def test_a_gate_may_wait_for_a_named_person(noria, declaration, granted):
    one = noria(declaration=declaration.replace("margin=MARGIN)]", 'margin=MARGIN), nr.approval(by="Ann")]'))
    one.be_born()
    assert one.states() == [TurnState.OPEN]
    assert one.world.documents.get(LoopState, "orders").phase == "waiting-for-approval"
    with pytest.raises(NotAllowed):
        one.verbs.approve("orders", granted=True, by="Bob", reason="I like it")
    one.verbs.approve("orders", granted=granted, by="Ann", reason="I read its scorecard")
    one.settle()
    assert one.states() == [TurnState.DONE if granted else TurnState.REFUSED]
    told = to_text(chain(one.world.ledger, decisions(one.world.ledger, "orders", 1)[0].id))
    assert "Ann" in told and "I read its scorecard" in told


def test_missed_expectations_stop_the_turn_with_a_readable_report(noria):
    one = noria()
    history = pl.read_parquet(one.folder / "history.parquet")
    pl.concat([history, history.head(3)]).write_parquet(one.folder / "history.parquet")
    one.verbs.up(one.folder / "shop.py")
    one.settle()
    turn = one.world.documents.find(Turn)[0]
    assert turn.state is TurnState.FAILED
    assert "order: expected no value twice; 3 of 9003 rows" in turn.outcome
    assert one.events("expectations.missed") and one.events("turn.failed")


def test_a_crash_of_user_code_is_a_recorded_failure_with_its_traceback(noria, declaration):
    one = noria(declaration=declaration.replace("    return make_pipeline", "    data.nothing\n    return make_pipeline"))
    one.verbs.up(one.folder / "shop.py")
    one.settle()
    turn = one.world.documents.find(Turn)[0]
    assert turn.state is TurnState.FAILED
    failed = [step for step in one.world.engine.steps(turn.id) if step.error]
    assert "data.nothing" in failed[0].error and "AttributeError" in turn.outcome
    assert one.world.documents.find(Run)[0].error


def test_a_failing_turn_takes_its_challenger_out(noria, monkeypatch):
    one = noria(margin=0.05)
    one.be_born()
    one.days(7)
    one.verbs.turn("orders", by="test", reason="a new one")
    one.day()
    assert one.world.documents.find(Rollout)[0].ended_at is None
    monkeypatch.setattr("noria.loop.steering.look", lambda *_: 1 / 0)
    one.day()
    rollout = one.world.documents.find(Rollout)[0]
    assert rollout.phase is RolloutPhase.ROLLED_BACK and "ZeroDivisionError" in rollout.reason
    assert one.world.documents.find(Turn)[-1].state is TurnState.FAILED
    assert one.failed == 0


def test_features_online_equal_features_offline_on_logged_requests(noria):
    one = noria()
    one.be_born()
    one.days(2)
    declared = in_force(one.world, one.world.documents.get(LoopState, "orders"))
    logged = log.predictions(one.world.log_folder, "orders", roles=["champion"])
    taken = gather(one.world, declared, one.clock.now()).versions
    inputs = versions.get(one.world.records, "orders", 1).candidate.signature.inputs
    again = recompute(logged, list(declared.loop.features), taken, blobs=one.world.blobs, inputs=inputs)
    report = compare(logged, again)
    assert report.rows == 600 and report.equal == 1.0


def test_rows_come_back_from_traffic_as_a_new_dataset_version(noria):
    one = noria(margin=0.05)
    one.be_born()
    one.days(7)
    one.verbs.turn("orders", by="test", reason="with newer rows")
    one.day()
    first, second = (v for v in sorted(one.world.documents.find(DatasetVersion), key=lambda v: v.rows) if v.name == "shop")
    assert second.rows == first.rows + 6 * 300
    assert set(first.parts) <= set(second.parts)
    assert {part.origin for part in second.parts} == {"source", "traffic"}


def test_an_incident_that_a_refused_turn_left_open_is_weighed_again(noria):
    one = noria(margin=-0.9)
    one.be_born()
    one.days(4)
    one.shop.weights = np.array([-0.4, -1.4])
    one.days(22)
    ended = [turn for turn in one.turns() if turn.signal.cause != "birth"]
    assert len(ended) >= 2 and {turn.state for turn in ended} == {TurnState.REFUSED}
    assert all(later.created_at - sooner.created_at >= timedelta(days=5) for sooner, later in pairwise(ended))
    assert sum("cooldown" in " ".join(event.reasons) for event in one.events("policy.declined")) >= 1
