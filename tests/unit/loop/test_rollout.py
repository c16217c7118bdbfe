"""The rollout takes a good challenger up and a bad one out, at whatever moment it looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from noria.core.declaration.rollout import Canary
from noria.core.schema import Estimate
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.rollout import begin, look, out

START = datetime(2024, 1, 1, tzinfo=UTC)
CANARY = Canary(steps=[10, 50, 100], min_rows=100, shadow_rows=100, guard=["errors", "latency", "roc_auc"], margin={"roc_auc": 0.05})


def rollout() -> Rollout:
    return begin(CANARY, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START)


def climb(traffic, looks: int = 60, per_look: int = 100, canary: Canary = CANARY) -> Rollout:
    now = rollout()
    for n in range(looks):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, per_look)
        now = look(now, canary, traffic.evidence(), at + timedelta(minutes=59)).rollout
        if now.ended_at is not None:
            break
    return now


def test_an_equal_challenger_climbs_every_step_and_is_promoted(new_traffic):
    ended = climb(new_traffic())
    assert ended.phase is RolloutPhase.PROMOTED
    assert ended.failed == 0


def test_a_wrong_challenger_is_taken_out(new_traffic):
    ended = climb(new_traffic(challenger_skill=-1.0))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("roc_auc: harm")


def test_a_failing_challenger_is_taken_out_and_its_failures_are_counted(new_traffic):
    traffic = new_traffic(error_share=0.3, told=False)
    ended = climb(traffic)
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("errors: harm")
    assert ended.failed == sum(row["role"] == "fallback" for row in traffic.rows)


def test_a_slow_challenger_is_taken_out_once_users_feel_it(new_traffic):
    ended = climb(new_traffic(slow_ms=300.0))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("latency: harm")
    assert ended.touched > 0


def test_without_outcomes_a_step_waits_and_ends_in_rollback_at_last(new_traffic):
    canary = Canary(steps=[10, 100], min_rows=50, shadow_rows=50, guard=["errors", "roc_auc"], max_rows=300)
    now, traffic = begin(canary, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START), new_traffic(told=False)
    for n in range(60):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, 100)
        now = look(now, canary, traffic.evidence(), at + timedelta(minutes=59)).rollout
        if now.ended_at is not None:
            break
    assert now.phase is RolloutPhase.ROLLED_BACK
    assert "not enough data on roc_auc" in now.reason


def test_rows_that_an_old_plan_routed_are_not_held_against_the_split(new_traffic):
    traffic, now = new_traffic(), rollout()
    traffic.flow(now, START + timedelta(hours=1), 150)
    now = look(now, CANARY, traffic.evidence(), START + timedelta(hours=2)).rollout
    assert now.share == 0.1
    traffic.flow(now, START + timedelta(hours=2), 300, share=0.0)
    traffic.flow(now, START + timedelta(hours=3), 300)
    assert look(now, CANARY, traffic.evidence(), START + timedelta(hours=4)).rollout.phase is RolloutPhase.CANARY


def test_a_broken_split_ends_the_rollout(new_traffic):
    traffic, now = new_traffic(), rollout()
    traffic.flow(now, START + timedelta(hours=1), 150)
    now = look(now, CANARY, traffic.evidence(), START + timedelta(hours=2)).rollout
    traffic.flow(now, START + timedelta(hours=2), 1_000, share=0.4)
    ended = look(now, CANARY, traffic.evidence(), START + timedelta(hours=4)).rollout
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("sample ratio")


def test_a_person_may_end_it_at_any_time():
    ended = out(rollout(), START, "woken at night").rollout
    assert (ended.phase, ended.share, ended.reason) == (RolloutPhase.ROLLED_BACK, 0.0, "woken at night")


@pytest.mark.parametrize("seed", range(8))
def test_an_equal_challenger_is_not_taken_out_by_chance(new_traffic, seed):
    assert climb(new_traffic(seed=seed), looks=40).phase is RolloutPhase.PROMOTED


def test_a_challenger_that_looks_worse_than_tolerated_meets_no_more_users_until_that_is_sure(new_traffic):
    traffic, now = new_traffic(challenger_skill=-1.0), rollout()
    unsure = {"roc_auc": 400.0}
    for n in range(12):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, 100)
        now = look(now, CANARY, replace(traffic.evidence(), design_effect=unsure), at + timedelta(minutes=59)).rollout
    assert (now.phase, now.share) == (RolloutPhase.SHADOW, 0.0)
    assert now.reason.startswith("stays: it looks worse than is tolerated")


AGREED = Estimate(value=0.9, low=0.88, high=0.92, n=2_000, se=0.01)
AGREEMENT = Canary(steps=[10, 50, 100], min_rows=100, shadow_rows=100, guard=["errors", "agreement"])


def test_a_challenger_that_answers_the_opposite_meets_no_user_though_no_outcome_is_told(new_traffic):
    ended = climb(new_traffic(challenger_skill=-1.0, told=False, agreement=AGREED), canary=AGREEMENT)
    assert (ended.phase, ended.touched) == (RolloutPhase.ROLLED_BACK, 0)
    assert ended.reason.startswith("agreement: harm")


@pytest.mark.parametrize("seed", range(4))
def test_one_that_disagrees_as_it_did_before_comes_in_without_outcomes(new_traffic, seed):
    traffic = new_traffic(noise=(0.5, 0.5), told=False, agreement=AGREED, seed=seed)
    assert climb(traffic, canary=AGREEMENT).phase is RolloutPhase.PROMOTED


def test_versions_that_were_never_compared_are_not_asked_to_agree(new_traffic):
    assert climb(new_traffic(challenger_skill=-1.0, told=False), canary=AGREEMENT).phase is RolloutPhase.PROMOTED


OPERATIONS = Canary(steps=[50, 100], min_rows=200, shadow_rows=100, max_rows=1_500, guard=["operations"])


def test_a_score_of_operations_holds_a_slow_challenger_and_says_what_is_slow(new_traffic):
    traffic, now = new_traffic(slow_ms=60.0, told=False), rollout()
    for n in range(12):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, 150)
        now = look(now, OPERATIONS, traffic.evidence(), at + timedelta(minutes=59)).rollout
    assert (now.phase, now.share) == (RolloutPhase.CANARY, 0.5)
    assert "score 50 of 100" in now.reason
    assert "latency high" in now.reason
    assert climb(traffic, canary=OPERATIONS).phase is RolloutPhase.ROLLED_BACK


def test_a_score_of_operations_lets_an_equal_challenger_in(new_traffic):
    assert climb(new_traffic(told=False, slow_ms=1.0), canary=OPERATIONS).phase is RolloutPhase.PROMOTED
