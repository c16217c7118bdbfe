"""Whole turns under the judge of expected gain: what it lets through, what it holds back, and that it survives."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from noria.core.errors import DeclarationInvalid
from noria.core.probing import Answer, Judgement
from noria.core.state import LoopState
from noria.core.turning import Cause, Signal, TurnState
from noria.ledger.why import chain, decisions, headline, to_text
from noria.loop.duty import Duty
from noria.loop.enrol import in_force
from noria.loop.triggers import gather_facts
from noria.loop.wheel import Wheel
from noria.ports.launcher import JobState
from noria.stages.registry import aliases

RULES = 'retrain=nr.Retrain(cooldown="5d", min_labels=1_000, window="60d"),'
PROBES = 'retrain=nr.Retrain(cooldown="5d", min_labels=1_000, window="60d", probe=True, min_gain=0.01),'


@pytest.fixture()
def probing(declaration: str) -> str:
    assert RULES in declaration
    return declaration.replace(RULES, PROBES)


def ask(one, number: int) -> None:
    """Somebody's calendar asks for a turn, whatever the world does."""
    reason = "it is the first of the week"
    signal = Signal(id=f"signal_calendar_{number}", loop="orders", cause=Cause.SCHEDULE, reason=reason, at=one.clock.now())
    one.world.documents.put(signal)


def judgements(one) -> list[Judgement]:
    return one.world.documents.find(Judgement, where={"loop": "orders"})


def test_nothing_changes_and_the_judge_declines_what_a_schedule_asks_for(noria, probing):
    one = noria(declaration=probing)
    one.be_born()
    for week in range(3):
        one.days(7)
        ask(one, week)
    one.days(1)
    made = judgements(one)
    assert made and all(judgement.answer is not Answer.NOW for judgement in made)
    assert one.states() == [TurnState.DONE, *[TurnState.DECLINED] * len(made)]
    assert aliases.current(one.world.records, "orders", "champion") == 1
    state = one.world.documents.get(LoopState, "orders")
    assert "only when a probe expects a gain of 0.01" in state.declared["retrain"]
    told = next(event for event in decisions(one.world.ledger, "orders") if event.id.endswith(":policy"))
    assert "expected" in headline(told) and told.numbers["worth"] == 0.01
    assert "turn.started" in to_text(chain(one.world.ledger, told.id))


def test_a_change_that_can_be_learnt_is_let_through(noria, probing):
    one = noria(declaration=probing)
    one.be_born()
    one.days(6)
    one.shop.weights = np.array([-0.4, -1.4])
    one.days(26)
    answers = [judgement.answer for judgement in judgements(one)]
    assert Answer.NOW in answers
    assert aliases.current(one.world.records, "orders", "champion") >= 2
    accepted = one.events("policy.accepted")[0]
    assert accepted.numbers["chance"] >= 0.8 and accepted.numbers["gain"] > 0.01
    promoted = one.events("rollout.promoted")[0]
    assert accepted.id in {event.id for event in chain(one.world.ledger, promoted.id)}


def test_what_a_person_orders_is_not_probed(noria, probing):
    one = noria(declaration=probing)
    one.be_born()
    one.days(5)
    one.verbs.turn("orders", by="test", reason="because I say so")
    one.settle()
    assert judgements(one) == [] and one.states()[-1] is not TurnState.DECLINED


def test_a_declined_turn_counts_neither_for_the_cooldown_nor_for_the_budget(noria, probing):
    one = noria(declaration=probing)
    one.be_born()
    one.days(7)
    ask(one, 0)
    one.settle()
    assert one.states()[-1] is TurnState.DECLINED
    declared = in_force(one.world, one.world.documents.get(LoopState, "orders"))
    facts = gather_facts(one.world, declared, one.clock.now())
    assert facts.turns_in_period == 0
    assert facts.last_turn_at == one.turns()[0].created_at
    assert facts.probed is not None and facts.probed.again_at > one.clock.now()


class Killed(BaseException):
    """The process is gone."""


def test_killed_at_any_commit_it_is_judged_and_told_once(noria, probing, monkeypatch):
    one = noria(declaration=probing.replace(', window="60d"', ""))
    one.be_born()
    one.days(7)
    commit, after = one.world.records.commit, 0

    def die_after(count):
        left = [count]

        def dying(*writes):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return commit(*writes)

        return dying

    for after in range(60):
        one.clock.at += timedelta(days=6)
        ask(one, after)
        monkeypatch.setattr(one.world.records, "commit", die_after(after))
        killed = False
        try:
            one.settle()
        except Killed:
            killed = True
        monkeypatch.setattr(one.world.records, "commit", commit)
        one.wall.at += timedelta(minutes=5)
        one.wheel = Wheel(one.world, duty=Duty(one.world.records, wall=one.wall, owner="test"))
        one.settle()
        turn = one.turns()[-1]
        told = [event for event in one.events("policy.declined") if event.turn == turn.id]
        assert turn.state is TurnState.DECLINED and len(told) == 1
        assert len([made for made in judgements(one) if made.id == turn.id]) == 1
        if not killed:
            break
    assert not killed and after > 5


def test_a_probe_whose_process_was_killed_is_started_again(noria, probing, monkeypatch):
    one = noria(declaration=probing)
    one.be_born()
    one.days(7)
    launcher, launched = one.world.launcher, []
    launch = launcher.launch

    def losing_the_first(job, command, *, folder, env=None):
        launched.append(job)
        if job.endswith("-probe-1"):
            launcher._states[job] = JobState(state="lost")
            return
        launch(job, command, folder=folder, env=env)

    monkeypatch.setattr(launcher, "launch", losing_the_first)
    ask(one, 0)
    one.settle()
    assert [job.rpartition("_")[2].partition("-")[2] for job in launched] == ["probe-1", "probe-2"]
    assert one.states()[-1] is TurnState.DECLINED and len(judgements(one)) == 1


def test_the_judge_is_asked_regularly_where_nobody_watches_and_lets_a_change_through(noria, probing):
    declaration = probing.replace("min_gain=0.01)", 'min_gain=0.01, ask="6d")')
    watches = next(line for line in declaration.splitlines() if line.strip().startswith("watch="))
    one = noria(declaration=declaration.replace(watches, '    watch=[nr.freshness("400d")],'))
    one.be_born()
    one.days(7)
    assert [judgement.answer for judgement in judgements(one)].count(Answer.NOW) == 0
    one.shop.weights = np.array([-0.4, -1.4])
    one.days(30)
    asked = judgements(one)
    assert Answer.NOW in [judgement.answer for judgement in asked]
    assert aliases.current(one.world.records, "orders", "champion") >= 2
    looked = [turn.signal for turn in one.turns() if turn.signal.cause is Cause.SCHEDULE]
    assert all("is there something to gain?" in signal.reason for signal in looked)
    assert len({signal.id for signal in looked}) == len(looked) == len(asked)


def test_a_judge_that_is_not_there_cannot_be_asked(noria, declaration):
    with pytest.raises(DeclarationInvalid, match="asks nobody"):
        noria(declaration=declaration.replace(RULES, RULES.replace('window="60d"', 'window="60d", ask="6d"'))).be_born()
