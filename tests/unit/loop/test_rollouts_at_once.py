"""A challenger that is only seen, one that gets all traffic at once, and guards on answers and on the business."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from noria.core.declaration.rollout import AB, Bandit, BlueGreen, Canary, Interleave, Shadow, Strategy, in_words
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.rollout import begin, look

START = datetime(2024, 1, 1, tzinfo=UTC)
SHADOW = Shadow(1_000, guard=["errors", "roc_auc"], margin={"roc_auc": 0.05})
BLUE_GREEN = BlueGreen("3h", min_rows=200, shadow_rows=100, guard=["errors", "latency", "roc_auc"], margin={"roc_auc": 0.05})


def run(strategy: Strategy, traffic, *, looks: int = 40, per_look: int = 100) -> tuple[Rollout, list[float]]:
    """The rollout when it has ended or waits for a person, and the share at each look."""
    now, shares = begin(strategy, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START), []
    for n in range(looks):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, per_look)
        now = look(now, strategy, traffic.evidence(), at + timedelta(minutes=59)).rollout
        shares.append(now.share)
        if now.ended_at is not None or now.asks:
            break
    return now, shares


def test_a_shadow_that_does_no_harm_waits_for_a_person_and_no_user_has_met_it(new_traffic):
    now, _ = run(SHADOW, new_traffic())
    assert (now.phase, now.asks, now.touched) == (RolloutPhase.SHADOW, True, 0)
    assert now.reason == "1,000 requests computed unseen without harm: a person decides, `noria approve orders`"


def test_a_shadow_may_be_promoted_at_once_or_only_be_seen(new_traffic):
    promoted, _ = run(replace(SHADOW, then="promote"), new_traffic())
    left, _ = run(replace(SHADOW, then="leave"), new_traffic())
    assert (promoted.phase, left.phase) == (RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK)
    assert left.reason == "it was only to be seen: 1,000 requests computed unseen without harm"


def test_a_shadow_that_answers_nonsense_leaves_whatever_was_to_follow(new_traffic):
    ended, _ = run(replace(SHADOW, then="promote"), new_traffic(challenger_skill=-1.0))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("roc_auc: harm")


def test_a_shadow_waits_for_outcomes_as_they_are_all_there_will_be_and_leaves_without_them(new_traffic):
    ended, _ = run(replace(SHADOW, then="promote", max_rows=1_500), new_traffic(told=False))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "not enough data on roc_auc" in ended.reason


def test_all_traffic_moves_at_once_and_the_old_version_stays_until_the_bake_is_over(new_traffic):
    ended, shares = run(BLUE_GREEN, new_traffic())
    assert ended.phase is RolloutPhase.PROMOTED
    assert shares == [1.0] * len(shares)
    assert ended.ended_at is not None
    assert ended.ended_at - ended.step_started_at >= timedelta(hours=3)


@pytest.mark.parametrize(
    ("bad", "reason"), [({"challenger_skill": -1.0}, "roc_auc"), ({"error_share": 0.3}, "errors"), ({"slow_ms": 300.0}, "latency")]
)
def test_harm_during_the_bake_gives_all_traffic_back(new_traffic, bad, reason):
    good, worse = new_traffic(), new_traffic(**bad)
    now = begin(BLUE_GREEN, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START)
    good.flow(now, START, 150)
    now = look(now, BLUE_GREEN, good.evidence(), START + timedelta(minutes=59)).rollout
    assert now.share == 1.0
    worse.rows, worse.outcomes, worse.n = good.rows, good.outcomes, good.n
    worse.flow(now, START + timedelta(hours=1), 400)
    ended = look(now, BLUE_GREEN, worse.evidence(), START + timedelta(hours=2)).rollout
    assert (ended.phase, ended.share) == (RolloutPhase.ROLLED_BACK, 0.0)
    assert ended.reason.startswith(f"{reason}: harm")


def test_what_is_late_keeps_the_old_version_ready_longer(new_traffic):
    now, _ = run(BLUE_GREEN, new_traffic(told=False), looks=8)
    assert (now.phase, now.share) == (RolloutPhase.CANARY, 1.0)
    assert now.reason == "waiting for data on roc_auc"


def test_answers_that_are_spread_otherwise_are_seen_before_any_outcome(new_traffic):
    canary = Canary([10, 100], min_rows=100, shadow_rows=500, guard=["errors", "distribution"])
    ended, _ = run(canary, new_traffic(noise=(0.0, 8.0), told=False))
    assert (ended.phase, ended.touched) == (RolloutPhase.ROLLED_BACK, 0)
    assert ended.reason.startswith("distribution: harm; widest gap")


def test_answers_that_are_no_number_are_a_guard_of_their_own(new_traffic):
    traffic = new_traffic(error_share=0.2, told=False)
    now = begin(Canary(guard=["nan"]), id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START)
    traffic.flow(now, START, 300)
    for row in traffic.rows:
        row["error"] = row["error"].replace("broke", "answered nan")
    assert look(now, Canary(guard=["nan"]), traffic.evidence(), START + timedelta(hours=1)).reasons[0].startswith("nan: harm")
    for row in traffic.rows:
        row["error"] = row["error"].replace("answered nan", "broke")
    assert look(now, Canary(guard=["nan"]), traffic.evidence(), START + timedelta(hours=1)).rollout.phase is not RolloutPhase.ROLLED_BACK


@pytest.mark.parametrize(("revenue", "phase"), [((3.0, 1.5), RolloutPhase.ROLLED_BACK), ((3.0, 3.0), RolloutPhase.PROMOTED)])
def test_a_challenger_that_costs_revenue_is_taken_out(new_traffic, revenue, phase):
    guard = "business:revenue"
    canary = Canary([50, 100], min_rows=2_000, shadow_rows=100, guard=["errors", guard], margin={guard: 0.5})
    ended, _ = run(canary, new_traffic(revenue=revenue, told=False), per_look=500)
    assert ended.phase is phase
    assert any(reading.guard == guard for reading in ended.looks)


def test_a_number_of_which_less_is_better_is_guarded_the_other_way_round(new_traffic):
    guard = "business:-revenue"
    ab = AB(50, metric="roc_auc", min_rows=200, shadow_rows=100, guard=[guard], margin={guard: 0.5, "roc_auc": 0.05})
    ended, _ = run(ab, new_traffic(revenue=(1.5, 3.0)), per_look=500)
    assert ended.reason.startswith(f"{guard}: harm")


def test_each_says_in_words_what_will_happen():
    assert in_words(SHADOW) == "shadow 1,000 rows, then a person decides"
    assert in_words(BLUE_GREEN) == "shadow 100 rows, then blue/green: all traffic at once; the old version stays ready for 3h (≥ 200 rows)"
    assert (
        in_words(Interleave(shadow_rows=0)) == "interleaved with the champion until its rows are chosen more often (200 to 20,000 queries)"
    )


@pytest.mark.parametrize(
    "strategy",
    [
        Canary([10, 50, 100], min_rows=100, shadow_rows=100, guard=["errors", "latency", "nan", "distribution", "operations", "roc_auc"]),
        AB(50, metric="roc_auc", min_rows=200, max_rows=1_500, shadow_rows=100),
        Bandit(metric="roc_auc", min_rows=200, max_rows=1_500, shadow_rows=100),
        SHADOW,
        BLUE_GREEN,
    ],
)
def test_a_flood_of_requests_that_name_a_version_moves_no_decision(new_traffic, strategy):
    """Slow, failing and wrong answers of version 2, and good ones of version 1, that callers asked for by name."""
    traffic, flooded = new_traffic(seed=3), new_traffic(seed=3)
    quiet = run(strategy, traffic)
    flow = flooded.flow

    def with_flood(now, at, count):
        flow(now, at, count)
        for n in range(3 * count):
            time, id = at + timedelta(seconds=n % count), f"asked{len(flooded.rows)}"
            version = 2 if n % 3 else 1
            flooded._log(id, time, version, "asked", None if version == 2 else 0.99, 900.0, "answered nan" if version == 2 else "")
            flooded.outcomes.append({"request_id": id, "outcome": float(version == 1)})

    flooded.flow = with_flood
    assert repr(run(strategy, flooded)) == repr(quiet)
