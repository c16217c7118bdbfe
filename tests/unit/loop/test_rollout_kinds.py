"""An A/B test promotes what is shown to be better; a bandit's share follows the evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.declaration.rollout import AB, Bandit, Canary, Strategy, in_words
from noria.core.schema import Estimate, Task
from noria.core.turning import GuardReading, Rollout, RolloutPhase
from noria.loop.bandit import chance_better, next_share
from noria.loop.rollout import begin, look
from noria.ports import wire
from noria.stages.evaluation.sequential import guard_arms

START = datetime(2024, 1, 1, tzinfo=UTC)
AB_TEST = AB(50, metric="roc_auc", min_rows=200, max_rows=1_500, shadow_rows=100, margin={"roc_auc": 0.05})
BANDIT = Bandit(metric="roc_auc", floor=0.1, step=0.2, min_rows=200, max_rows=1_500, shadow_rows=100, margin={"roc_auc": 0.05})


def run(strategy: Strategy, traffic, *, looks: int = 60, per_look: int = 250) -> tuple[Rollout, list[float]]:
    """The rollout when it has ended, and the share at each look."""
    now, shares = begin(strategy, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START), []
    for n in range(looks):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, per_look)
        now = look(now, strategy, traffic.evidence(), at + timedelta(minutes=59)).rollout
        shares.append(now.share)
        if now.ended_at is not None:
            break
    return now, shares


def test_an_ab_test_promotes_a_challenger_that_is_shown_to_be_better_and_keeps_its_share_till_then(new_traffic):
    ended, shares = run(AB_TEST, new_traffic(noise=(3.0, 0.0)))
    assert ended.phase is RolloutPhase.PROMOTED
    assert ended.reason.startswith("roc_auc better by")
    assert set(shares[:-1]) <= {0.0, 0.5}
    assert ended.looks[-1].guard == "roc_auc between arms"


def test_an_ab_test_gives_up_an_equal_challenger_in_the_end(new_traffic):
    ended, _ = run(AB_TEST, new_traffic(noise=(1.0, 1.0)))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("no difference shown after 1,")


@pytest.mark.parametrize("strategy", [AB_TEST, BANDIT])
def test_a_worse_challenger_is_taken_out(new_traffic, strategy):
    ended, _ = run(strategy, new_traffic(noise=(0.0, 4.0)))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.looks[-1].challenger_n < strategy.max_rows


@pytest.mark.parametrize("strategy", [AB_TEST, BANDIT])
def test_a_failing_challenger_is_taken_out(new_traffic, strategy):
    ended, _ = run(strategy, new_traffic(error_share=0.3))
    assert ended.reason.startswith("errors: harm")


def test_more_than_the_wanted_effect_must_be_shown(new_traffic):
    ended, _ = run(replace(AB_TEST, min_effect=0.3), new_traffic(noise=(3.0, 0.0)))
    assert ended.reason.startswith("no difference shown")


def test_a_bandit_gives_a_better_challenger_more_and_more_traffic_and_then_all(new_traffic):
    ended, shares = run(BANDIT, new_traffic(noise=(1.5, 0.8)), per_look=1_000)
    given_out = [share for share in shares[:-1] if share]
    assert ended.phase is RolloutPhase.PROMOTED
    assert given_out == sorted(given_out)
    assert given_out[0] == 0.1
    assert [share / 100 for share in ended.steps] == pytest.approx(sorted(set(given_out)))
    assert ended.better is not None and ended.better >= 0.99


@pytest.mark.parametrize("seed", range(2))
def test_a_share_that_moves_is_no_broken_split(new_traffic, seed):
    ended, shares = run(replace(BANDIT, max_rows=5_000), new_traffic(noise=(1.0, 1.0), seed=seed), per_look=1_000)
    assert len(set(shares)) > 3
    assert not ended.reason.startswith("sample ratio")
    assert all(0.1 <= share <= 0.9 for share in shares[1:-1])


def test_a_share_that_shrinks_counts_from_the_first_key_that_went_back(new_traffic):
    now = begin(replace(BANDIT, shadow_rows=0), id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START)
    now = replace(now, steps=(10.0, 60.0, 20.0), step=2, share=0.2, step_started_at=START)
    traffic = new_traffic()
    traffic.flow(now, START, 500, share=0.6)
    traffic.flow(now, START + timedelta(hours=1), 500)
    assert look(now, BANDIT, traffic.evidence(), START + timedelta(hours=2)).rollout.phase is RolloutPhase.CANARY


def reading(d: float, se: float, n: int) -> GuardReading:
    difference = Estimate(value=d, low=d - 3 * se, high=d + 3 * se, n=2 * n, se=se)
    return GuardReading(guard="mae", difference=difference, margin=1, p_value=1, verdict="undecided", champion_n=n, challenger_n=n)


def test_the_chance_of_better_is_a_half_without_a_difference_and_doubts_early_ones():
    assert chance_better(reading(0.0, 1.0, 1_000), 500) == 0.5
    early, late = chance_better(reading(-2.0, 1.0, 100), 500), chance_better(reading(-2.0, 1.0, 10_000), 500)
    assert early is not None and late is not None
    assert 0.5 < early < 0.9 < late
    assert chance_better(replace(reading(0.0, 1.0, 3), verdict="not-enough-data"), 500) is None


@settings(max_examples=50)
@given(share=st.floats(0.1, 0.9), better=st.one_of(st.none(), st.floats(0, 1)))
def test_a_share_moves_one_step_at_most_and_keeps_off_the_floor(share, better):
    following = next_share(share, better, BANDIT)
    assert abs(following - share) <= BANDIT.step + 1e-12
    assert 0.1 <= following <= 0.9
    if better is not None:
        assert (following - share) * (better - share) >= 0


def test_an_equal_challenger_seldom_wins_however_often_one_looks():
    wins = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        y = (random.random(6_000) < 0.5).astype(float)
        score = np.clip(0.25 + 0.5 * y + random.normal(0, 0.3, 6_000), 0.01, 0.99)
        for n in range(300, 6_001, 150):
            arms = [(y[k:n:2], score[k:n:2]) for k in (0, 1)]
            units = (np.arange(len(arms[0][0])), np.arange(len(arms[1][0])))
            seen = guard_arms(
                "log_loss", task=Task.BINARY, champion=arms[0], challenger=arms[1], units=units, margin=0.02, alpha=0.05, min_n=100
            )
            if seen.difference.high < 0:
                wins += 1
                break
    assert wins <= 3


def test_rows_of_one_key_count_as_one():
    random = np.random.default_rng(1)
    y, score = (random.random(800) < 0.5).astype(float), random.random(800)
    once = {"champion": (y[:400], score[:400]), "challenger": (y[400:], score[400:])}
    often = {arm: (np.repeat(of, 5), np.repeat(by, 5)) for arm, (of, by) in once.items()}
    keys = np.arange(400)
    how = {"task": Task.BINARY, "margin": 0.02, "alpha": 0.05, "min_n": 100}
    one = guard_arms("roc_auc", units=(keys, keys), **once, **how)
    five = guard_arms("roc_auc", units=(np.repeat(keys, 5), np.repeat(keys, 5)), **often, **how)
    assert five.difference.se == pytest.approx(one.difference.se, rel=0.01)
    assert guard_arms("roc_auc", units=(np.repeat(keys, 5) % 50,) * 2, **often, **how).verdict == "not-enough-data"


def test_a_rollout_that_was_stored_before_there_were_kinds_still_opens():
    stored = json.loads(wire.dump(begin(Canary(), id="r", loop="l", turn="t", champion=1, challenger=2, now=START)))
    for newer in ("kind", "better", "sure_since"):
        del stored[newer]
    opened = wire.load(json.dumps(stored), Rollout)
    assert (opened.kind, opened.better, opened.sure_since) == ("canary", None, 0)


def test_each_says_in_words_how_a_challenger_comes_in():
    assert in_words(AB_TEST) == "shadow 100 rows, then A/B: 50 % of traffic until roc_auc is shown to be better (200 to 1,500 rows)"
    assert in_words(BANDIT) == "shadow 100 rows, then bandit: 10% to 90% of traffic, by the chance of a better roc_auc (200 to 1,500 rows)"


def test_a_slow_leak_of_errors_ends_a_bandit_though_its_share_moves_on(new_traffic):
    ended, shares = run(replace(BANDIT, max_rows=20_000), new_traffic(noise=(1.0, 1.0), error_share=0.03, seed=2), per_look=250)
    assert ended.reason.startswith("errors: harm"), (ended.reason, shares)
