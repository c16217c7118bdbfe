"""The retrain policy says yes or no, and always why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.declaration.loop import Retrain
from noria.core.turning import Cause, Signal
from noria.loop.policy import Facts, weigh

NOW = datetime(2024, 6, 1, tzinfo=UTC)
POLICY = Retrain(cooldown="7d", min_labels=1_000, budget=2, per="30d")
GOOD = Facts(now=NOW, turn_open=False, paused=False, last_turn_at=NOW - timedelta(days=8), turns_in_period=0, new_labels=5_000)


def signal(cause: Cause = Cause.DRIFT) -> Signal:
    return Signal(id="signal_1", loop="orders", cause=cause, reason="heat drifted", at=NOW)


def changed(**facts: object) -> Facts:
    return Facts(**{name: facts.get(name, getattr(GOOD, name)) for name in Facts.__dataclass_fields__})


def test_yes_says_on_what_grounds():
    decision = weigh(POLICY, signal(), GOOD)
    assert decision.turn
    assert decision.reasons[0] == "heat drifted"
    assert "5,000 new outcomes" in " ".join(decision.reasons)


@pytest.mark.parametrize(
    ("facts", "kind", "words"),
    [
        ({"last_turn_at": NOW - timedelta(days=2)}, "cooldown", "2d ago, 5d to go"),
        ({"new_labels": 999}, "labels", "999 of 1,000"),
        ({"turns_in_period": 2}, "budget", "2 automatic turns in 30d"),
        ({"paused": True}, "paused", "paused"),
        ({"turn_open": True}, "turn-open", "under way"),
    ],
)
def test_no_says_each_reason(facts, kind, words):
    decision = weigh(POLICY, signal(), changed(**facts))
    assert not decision.turn
    assert decision.kinds == (kind,)
    assert words in decision.reasons[0]


def test_a_signal_that_was_not_asked_for_is_declined():
    assert weigh(Retrain(on=["quality"], min_labels=1), signal(Cause.DRIFT), GOOD).kinds == ("not-asked",)


@settings(max_examples=50)
@given(
    labels=st.integers(0, 5_000),
    turns=st.integers(0, 5),
    days=st.integers(0, 30) | st.none(),
    paused=st.booleans(),
    turn_open=st.booleans(),
    cause=st.sampled_from(Cause),
)
def test_it_turns_exactly_when_nothing_objects(labels, turns, days, paused, turn_open, cause):
    last = None if days is None else NOW - timedelta(days=days)
    facts = Facts(now=NOW, turn_open=turn_open, paused=paused, last_turn_at=last, turns_in_period=turns, new_labels=labels)
    decision = weigh(POLICY, signal(cause), facts)
    ordered = cause in (Cause.BIRTH, Cause.MANUAL)
    fine = labels >= 1_000 and turns < 2 and (days is None or days >= 7) and not paused
    assert decision.turn == (not turn_open and (ordered or fine))
    assert decision.reasons
    assert decision.turn or len(decision.kinds) == len(decision.reasons)
