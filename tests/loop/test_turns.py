"""Whole turns of the loop, on a turned clock."""

from __future__ import annotations

import numpy as np
import pytest

from noria.core.turning import Rollout, RolloutPhase, TurnState
from noria.core.watching import Incident
from noria.ledger.why import chain, decisions, to_text
from noria.stages.registry import aliases
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
