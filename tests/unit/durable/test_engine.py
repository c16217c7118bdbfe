"""Leases: who may drive a turn, and who may not any more."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from noria.core.errors import Conflict, LeaseLost, NotAllowed, NotFound, Unavailable
from noria.core.turning import Cause, Signal, StepState, Turn, TurnState
from noria.durable.engine import Engine
from noria.ports.records import Append, Put
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords

START = datetime(2013, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)


class Stage:
    def __init__(self):
        self.records = MemoryRecords()
        self.clock, self.wall = HandClock(), HandClock()
        self.first, self.second = self.engine("first"), self.engine("second")

    def engine(self, owner, **options):
        return Engine(self.records, clock=self.clock, wall=self.wall, owner=owner, lease=LEASE, **options)


@pytest.fixture
def stage():
    stage = Stage()
    stage.first.open(a_turn("turn_1"))
    return stage


def a_turn(id):
    signal = Signal(id="signal_1", loop="l", cause=Cause.MANUAL, reason="asked", at=START)
    return Turn(id=id, loop="l", number=1, state=TurnState.OPEN, signal=signal, code="", created_at=START)


def event(id):
    return Append(id=id, loop="l", kind="k", subject="l", turn="", body=b"{}")


def test_a_turn_is_opened_once_together_with_its_writes(stage):
    stage.first.open(a_turn("turn_2"), also=[event("started")])
    with pytest.raises(Conflict):
        stage.first.open(a_turn("turn_2"), also=[event("started again")])
    assert [line.id for line in stage.records.lines()] == ["started"]
    assert [turn.id for turn in stage.first.due()] == ["turn_1", "turn_2"]


def test_a_turn_under_way_is_nobody_else_s(stage):
    seen = []

    def script(trip):
        seen.append((stage.second.due(), stage.second.drive(trip.turn, lambda trip: seen.append("intruder")).owner))

    stage.first.drive(stage.first.get("turn_1"), script)
    assert seen == [([], "first")]


def test_a_dead_driver_s_turn_is_taken_over_when_its_lease_has_run_out(stage):
    class Died(BaseException):
        pass

    def dies(trip):
        trip.step("one", lambda: 1, int)
        stage.records.commit = broken
        raise Died

    def broken(*_):
        raise Unavailable("the process is dead")

    commit = stage.records.commit
    with pytest.raises(Died):
        stage.first.drive(stage.first.get("turn_1"), dies)
    stage.records.commit = commit
    assert (stage.first.get("turn_1").owner, stage.second.due()) == ("first", [])
    stage.wall.turn(LEASE)
    (turn,) = stage.second.due()
    ran = []
    ended = stage.second.drive(turn, lambda trip: ran.append(trip.step("one", lambda: 2, int)))
    assert (ran, ended.state, ended.token) == ([1], TurnState.DONE, 1)


def test_a_restarted_driver_goes_on_at_once_with_what_was_its_own(stage):
    held = replace(a_turn("turn_2"), owner="first", lease_until=START + LEASE)
    stage.first.open(held)
    assert [turn.id for turn in stage.first.due()] == ["turn_1", "turn_2"]
    assert [turn.id for turn in stage.second.due()] == ["turn_1"]
    assert stage.first.drive(held, lambda trip: None).token == 1


def test_a_driver_that_only_seemed_dead_cannot_write_any_more(stage):
    lost = []

    def slow(trip):
        stage.wall.turn(LEASE)
        stage.second.drive(trip.turn, lambda trip: trip.commit("promote", lambda: ("second", [event("by second")]), str))
        return "first", [event("by first")]

    def script(trip):
        try:
            trip.commit("promote", lambda: slow(trip), str)
        except LeaseLost:
            lost.append(trip.turn.owner)
            raise

    turn = stage.first.drive(stage.first.get("turn_1"), script)
    assert (lost, turn.state) == (["first"], TurnState.DONE)
    assert [line.id for line in stage.records.lines()] == ["by second"]
    assert [step.result for step in stage.first.steps("turn_1")] == ['"second"']


def test_a_driver_that_lost_its_turn_to_a_sleeper_cannot_write_either(stage):
    def slow(trip):
        stage.wall.turn(LEASE)
        stage.second.drive(trip.turn, lambda trip: trip.wait("approval", lambda: None, bool, every=None))
        trip.note("still here")
        trip.write(event("by first"))
        return True

    turn = stage.first.drive(stage.first.get("turn_1"), lambda trip: trip.step("slow", lambda: slow(trip), bool))
    assert (turn.state, turn.step, stage.records.lines()) == (TurnState.OPEN, "approval", [])
    assert {step.name: (step.state, step.note) for step in stage.first.steps("turn_1")} == {
        "slow": (StepState.RUNNING, ""),
        "approval": (StepState.WAITING, ""),
    }


def test_two_threads_of_one_engine_do_not_drive_one_turn(stage):
    inside, seen = threading.Event(), []

    def script(trip):
        thread = threading.Thread(target=lambda: seen.append(stage.first.drive(trip.turn, lambda _: seen.append("intruder"))))
        thread.start()
        thread.join()
        seen.append(stage.first.due())
        inside.set()

    stage.first.drive(stage.first.get("turn_1"), script)
    assert inside.is_set()
    assert [type(found).__name__ for found in seen] == ["Turn", "list"]
    assert seen[1] == []


def test_a_long_action_keeps_its_lease(stage):
    """The lease is renewed by a thread; the action waits until it sees that."""
    engine = Engine(stage.records, clock=stage.clock, wall=stage.wall, owner="first", lease=timedelta(milliseconds=60))
    renewed = threading.Event()
    commit = stage.records.commit

    def watched(*writes):
        commit(*writes)
        if threading.current_thread().name.startswith("lease"):
            renewed.set()

    stage.records.commit = watched

    def script(trip):
        held_until = trip.turn.lease_until
        stage.wall.turn(timedelta(milliseconds=50))
        assert renewed.wait(30)
        assert trip.turn.lease_until >= held_until
        trip.commit("promote", lambda: (True, [event("promoted")]), bool)

    assert engine.drive(engine.get("turn_1"), script).state is TurnState.DONE


def test_a_cancelled_turn_stops_its_driver_at_its_next_write(stage):
    def action():
        stage.second.cancel("turn_1", "ada has changed her mind", also=[event("cancelled")])
        return True, [event("promoted")]

    turn = stage.first.drive(stage.first.get("turn_1"), lambda trip: trip.commit("promote", action, bool))
    assert (turn.state, turn.outcome, turn.ended_at) == (TurnState.CANCELLED, "ada has changed her mind", START)
    assert [line.id for line in stage.records.lines()] == ["cancelled"]
    assert stage.first.due() == []


def test_what_has_ended_stays_so(stage):
    stage.first.drive(stage.first.get("turn_1"), lambda trip: trip.end(TurnState.DONE, "well"))
    with pytest.raises(NotAllowed):
        stage.first.cancel("turn_1", "too late")
    stage.first.wake("turn_1")
    assert stage.first.drive(stage.first.get("turn_1"), lambda trip: trip.end(TurnState.FAILED, "no")).outcome == "well"


def test_what_was_never_opened_is_not_found(stage):
    for verb in (stage.first.get, stage.first.wake, lambda id: stage.first.cancel(id, "why")):
        with pytest.raises(NotFound, match="turn_9"):
            verb("turn_9")


def test_of_drivers_racing_for_a_turn_one_gets_it(stage):
    """A second driver takes the turn between the first one's read and its claim."""
    commit, ran = stage.records.commit, []

    def overtaken(*writes):
        stage.records.commit = commit
        stage.second.drive(a_turn("turn_1"), lambda trip: trip.poll("job", lambda: ran.append("second"), bool))
        commit(*writes)

    stage.records.commit = overtaken
    stage.first.drive(a_turn("turn_1"), lambda trip: ran.append("first"))
    assert ran == ["second"]


def test_steps_of_a_turn_are_its_own(stage):
    stage.first.open(a_turn("turn_10"))
    stage.records.commit(Put(kind="step", key="other", body=b"{}", index={"turn": "turn_2"}))
    stage.first.drive(a_turn("turn_10"), lambda trip: trip.step("one", lambda: 1, int))
    assert stage.first.steps("turn_1") == []
    assert [step.name for step in stage.first.steps("turn_10")] == ["one"]
