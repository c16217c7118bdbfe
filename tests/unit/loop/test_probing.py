"""The judge of expected gain: now, later or never, and always with its numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from noria.core.declaration.loop import Retrain
from noria.core.probing import Answer, Judgement, PastGain, Probe
from noria.core.schema import Estimate
from noria.core.turning import Cause, Signal
from noria.loop.policy import Facts, weigh
from noria.loop.probing import judge, wants_probe

NOW = datetime(2024, 6, 1, tzinfo=UTC)
POLICY = Retrain(cooldown="7d", min_labels=1_000, probe=True, min_gain=0.01)


def mark(value: float, se: float = 0.005) -> Estimate:
    return Estimate(value=value, low=value - 2 * se, high=value + 2 * se, n=900, se=se)


def probe(gain: Estimate | None, **parts: object) -> Probe:
    made = Probe(
        metric="roc_auc",
        start=NOW - timedelta(days=8),
        end=NOW,
        rows=900,
        rarest=200,
        blocks=8,
        trained_rows=5_000,
        trained_until=NOW - timedelta(days=20),
        refit=mark(0.75),
        champion=mark(0.72),
        gain=gain,
    )
    return replace(made, **parts)  # type: ignore[arg-type]


def judged(gain: Estimate | None, *, policy: Retrain = POLICY, volume: int = 10_000, past: tuple[PastGain, ...] = (), **parts: object):
    return judge(policy, probe(gain, **parts), past, volume=volume, now=NOW)


def test_a_gain_that_is_worth_it_is_an_answer_of_now_with_its_numbers():
    found = judged(mark(0.05))
    assert found.answer is Answer.NOW and found.again_at is None
    assert found.numbers["worth"] == 0.01 and found.numbers["chance"] > 0.99
    assert "gains roc_auc +0.0500 [+0.0400, +0.0600] over the champion's 0.7200, on the 900 rows from 2024-05-24 on" in found.reasons[0]
    assert "0 past turns" in found.reasons[1]


@pytest.mark.parametrize(("metric", "mark_of_champion", "worth"), [("roc_auc", 0.72, 0.005), ("mae", 120.0, 1.2), ("ae_90", 250.0, 2.5)])
def test_where_nobody_says_what_is_worth_a_turn_the_scale_of_the_metric_does(metric, mark_of_champion, worth):
    found = judged(mark(4.0 * worth, worth / 2), policy=Retrain(probe=True), metric=metric, champion=mark(mark_of_champion, worth))
    assert found.numbers["worth"] == pytest.approx(worth)
    assert found.answer is Answer.NOW


def test_no_gain_is_never_and_asked_again_after_a_cooldown():
    found = judged(mark(0.0, 0.003))
    assert found.answer is Answer.NEVER
    assert found.again_at == NOW + timedelta(days=8)
    assert judged(mark(0.0, 0.003), policy=Retrain(cooldown="30d", probe=True, min_gain=0.01)).again_at == NOW + timedelta(days=30)


def test_a_gain_that_might_be_is_later_and_asked_again_sooner():
    found = judged(mark(0.012, 0.01))
    assert found.answer is Answer.LATER
    assert found.again_at == NOW + timedelta(days=4)


@pytest.mark.parametrize(
    ("gain", "parts", "words"),
    [
        (mark(0.05), {"rows": 120}, "120 of 200 newest rows"),
        (mark(0.05), {"rarest": 3}, "3 of 20 of the rarest outcome"),
        (mark(0.05), {"blocks": 0}, "0 of 5 blocks of time"),
        (None, {"note": "v3 needs features that are gone"}, "v3 needs features that are gone"),
        (Estimate(value=0.1, low=math.nan, high=math.nan, n=900), {}, "the difference has no error"),
    ],
)
def test_too_little_data_is_an_answer_too(gain, parts, words):
    found = judged(gain, **parts)
    assert found.answer is Answer.LATER
    assert found.reasons == (f"not enough data to tell: {words}",)


def test_a_cost_is_weighed_over_the_predictions_that_enjoy_the_gain():
    costly = Retrain(probe=True, min_gain=0.001, cost=200.0)
    many, few = judged(mark(0.03), policy=costly, volume=100_000), judged(mark(0.03), policy=costly, volume=2_000)
    assert many.answer is Answer.NOW and many.numbers["worth"] == pytest.approx(0.002)
    assert few.answer is not Answer.NOW and few.numbers["worth"] == pytest.approx(0.1)
    assert "a cost of 200 over 2,000 predictions" in few.reasons[2]
    assert judged(mark(0.03), policy=costly, volume=0).answer is Answer.NEVER


def signal(cause: Cause) -> Signal:
    return Signal(id="signal_1", loop="orders", cause=cause, reason="heat drifted", at=NOW)


def test_only_what_the_loop_itself_asks_for_is_probed_and_only_when_it_is_declared():
    some = object()
    assert wants_probe(POLICY, signal(Cause.DRIFT), some)  # type: ignore[arg-type]
    assert not wants_probe(POLICY, signal(Cause.MANUAL), some)  # type: ignore[arg-type]
    assert not wants_probe(POLICY, signal(Cause.DRIFT), None)
    assert not wants_probe(Retrain(), signal(Cause.DRIFT), some)  # type: ignore[arg-type]


def test_the_policy_does_not_ask_again_before_it_is_time():
    last: Judgement = judged(mark(0.012, 0.01))
    facts = Facts(now=NOW + timedelta(days=1), turn_open=False, paused=False, last_turn_at=None, turns_in_period=0, new_labels=9_999)
    waiting = weigh(POLICY, signal(Cause.DRIFT), replace(facts, probed=last))
    assert waiting.kinds == ("probed",) and waiting.reasons == ("a probe 1d ago said later; it is asked again in 3d",)
    assert weigh(POLICY, signal(Cause.DRIFT), replace(facts, probed=last, now=NOW + timedelta(days=5))).turn
    assert weigh(POLICY, signal(Cause.MANUAL), replace(facts, probed=last)).turn
    assert weigh(Retrain(), signal(Cause.DRIFT), replace(facts, probed=last)).turn
