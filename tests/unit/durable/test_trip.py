"""What a script sees on its trip, on a clock turned by hand."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from noria.core.errors import Conflict, JobFailed, Unavailable
from noria.core.turning import Cause, Signal, StepState, Turn, TurnState
from noria.durable.engine import Engine
from noria.durable.trip import UNTIL_WOKEN
from noria.ports.records import Append, Put
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    value: float
    names: tuple[str, ...]


class Stage:
    """Records, clocks, an engine and one open turn."""

    def __init__(self):
        self.records = MemoryRecords()
        self.clock, self.wall = HandClock(), HandClock()
        self.engine = self.another("first")
        signal = Signal(id="signal_1", loop="l", cause=Cause.MANUAL, reason="asked", at=self.clock.now())
        turn = Turn(id="turn_1", loop="l", number=1, state=TurnState.OPEN, signal=signal, code="", created_at=self.clock.now())
        self.engine.open(turn)

    def another(self, owner):
        return Engine(self.records, clock=self.clock, wall=self.wall, owner=owner)

    @property
    def turn(self):
        return self.engine.get("turn_1")

    @property
    def steps(self):
        return {step.name: step for step in self.engine.steps("turn_1")}

    @property
    def events(self):
        return [line.id for line in self.records.lines()]

    def drive(self, script, **options):
        return self.engine.drive(self.turn, script, **options)

    def drive_while_due(self, script):
        while self.engine.due():
            self.drive(script)
        return self.turn


@pytest.fixture
def stage():
    return Stage()


def event(id):
    return Append(id=id, loop="l", kind="k", subject="l", turn="turn_1", body=b"{}")


def test_a_journalled_step_is_not_run_again(stage):
    ran = []

    def script(trip):
        assert trip.step("one", lambda: ran.append(1) or len(ran), int) == 1
        assert trip.step("one", lambda: 99, int) == 1
        trip.wait("later", lambda: None if trip.clock.now() < trip.turn.created_at + HOUR else True, bool, every=HOUR)
        trip.end(TurnState.DONE, "all went well")

    stage.drive(script)
    stage.clock.turn(HOUR)
    turn = stage.drive(script)
    assert (ran, turn.state, turn.outcome, turn.ended_at) == ([1], TurnState.DONE, "all went well", stage.clock.now())
    assert [(step.name, step.seq, step.attempt, step.state) for step in stage.steps.values()] == [
        ("one", 1, 1, StepState.DONE),
        ("later", 2, 1, StepState.DONE),
    ]


def test_a_first_run_sees_the_result_as_a_replay_will(stage):
    seen = []

    def script(trip):
        seen.append(trip.step("mark", lambda: Mark(value=float("inf"), names=["a"]), Mark))
        trip.poll("again", lambda: True if len(seen) > 1 else None, bool)

    stage.drive_while_due(script)
    assert seen == [Mark(value=float("inf"), names=("a",))] * 2


def test_a_failing_action_fails_the_turn_with_its_message_and_traceback(stage):
    turn = stage.drive(lambda trip: trip.step("broken", lambda: {}["price"], float))
    assert (turn.state, turn.outcome, turn.step, turn.owner) == (TurnState.FAILED, "KeyError: 'price'", "broken", "")
    assert stage.steps["broken"].state is StepState.FAILED
    assert 'lambda: {}["price"]' in stage.steps["broken"].error


def test_a_failed_job_keeps_its_own_traceback(stage):
    def train():
        raise JobFailed("train() raised ValueError", traceback="Traceback: in flights.py, line 30")

    turn = stage.drive(lambda trip: trip.step("train", train, int))
    assert turn.outcome == "train() raised ValueError"
    assert stage.steps["train"].error == "Traceback: in flights.py, line 30"


def test_an_immense_error_is_kept_in_bounds(stage):
    def fail():
        raise ValueError("x" * 1_000_000)

    turn = stage.drive(lambda trip: trip.step("broken", fail, int))
    assert len(turn.outcome) <= 4_000
    assert len(stage.steps["broken"].error) <= 4_000


def test_a_result_that_cannot_be_kept_is_a_failure_of_its_step(stage):
    turn = stage.drive(lambda trip: trip.step("odd", lambda: object(), object))
    assert turn.state is TurnState.FAILED
    assert stage.steps["odd"].state is StepState.FAILED


def test_a_failing_action_is_tried_again_after_ever_longer_rests(stage):
    tries = []

    def flaky():
        tries.append(stage.wall.now())
        if len(tries) < 4:
            raise Unavailable("no answer")
        return "ok"

    def script(trip):
        trip.end(TurnState.DONE, trip.step("flaky", flaky, str, retries=3))

    stage.drive(script)
    assert stage.steps["flaky"].state is StepState.FAILED
    for rest in (1, 2, 4):
        assert stage.turn.state is TurnState.OPEN
        stage.wall.turn(timedelta(seconds=rest) - timedelta(milliseconds=1))
        stage.clock.turn(HOUR)
        assert stage.engine.due() == []
        stage.wall.turn(timedelta(milliseconds=1))
        assert stage.engine.due() == [stage.turn]
        stage.drive(script)
    assert (stage.turn.state, stage.turn.outcome) == (TurnState.DONE, "ok")
    assert (stage.steps["flaky"].attempt, stage.steps["flaky"].error) == (4, "")


def test_when_all_retries_are_used_the_turn_fails(stage):
    for _ in range(3):
        stage.drive(lambda trip: trip.step("broken", lambda: 1 / 0, float, retries=2))
        stage.wall.turn(HOUR)
    assert (stage.turn.state, stage.steps["broken"].attempt) == (TurnState.FAILED, 3)


def test_a_wake_up_ends_a_rest(stage):
    stage.drive(lambda trip: trip.step("broken", lambda: 1 / 0, float, retries=2))
    assert stage.engine.due() == []
    stage.engine.wake("turn_1")
    assert stage.engine.due() == [stage.turn]


def test_writes_of_a_commit_come_with_its_result_or_not_at_all(stage):
    stage.records.commit(Put(kind="alias", key="champion", body=b"1"))
    reads = []

    def promote():
        record = stage.records.get("alias", "champion")
        reads.append(record.revision)
        if len(reads) == 1:
            stage.records.commit(Put(kind="alias", key="champion", body=b"moved by another"))
        return "promoted", [Put(kind="alias", key="champion", body=b"2", expect=record.revision), event(f"promoted-{len(reads)}")]

    def script(trip):
        trip.end(TurnState.DONE, trip.commit("promote", promote, str, retries=1))

    stage.drive(script)
    assert (stage.turn.state, stage.events) == (TurnState.OPEN, [])
    assert "at revision 2, not 1" in stage.steps["promote"].error
    stage.wall.turn(HOUR)
    stage.drive(script)
    assert (stage.turn.outcome, stage.events, reads) == ("promoted", ["promoted-2"], [1, 2])


def test_a_poll_is_due_again_at_once_and_costs_nothing_between(stage):
    looks = []

    def script(trip):
        answer = trip.poll("job", lambda: looks.append(1) or ("trained" if len(looks) == 3 else None), str)
        trip.end(TurnState.DONE, answer)

    stage.drive(script)
    assert (stage.turn.wake_at, stage.turn.owner, stage.turn.step) == (None, "", "job")
    assert stage.steps["job"].state is StepState.WAITING
    assert stage.engine.due() == [stage.turn]
    assert stage.drive_while_due(script).outcome == "trained"
    assert len(looks) == 3


def test_a_wait_sleeps_until_its_time_comes(stage):
    def script(trip):
        trip.wait("window", lambda: True if trip.clock.now() >= trip.turn.created_at + 5 * HOUR else None, bool, every=2 * HOUR)

    stage.drive(script)
    looked = []
    while stage.turn.state is TurnState.OPEN:
        stage.clock.turn(HOUR)
        for turn in stage.engine.due():
            looked.append((stage.clock.now() - turn.created_at) / HOUR)
            stage.drive(script)
    assert looked == [2, 4, 6]


def test_who_waits_for_somebody_sleeps_until_woken(stage):
    def script(trip):
        approval = trip.wait("approval", lambda: "granted" if stage.records.get("approval", "turn_1") else None, str, every=None)
        trip.end(TurnState.DONE, approval)

    stage.drive(script)
    stage.clock.turn(timedelta(days=10_000))
    assert (stage.turn.wake_at, stage.engine.due()) == (UNTIL_WOKEN, [])
    stage.records.commit(Put(kind="approval", key="turn_1", body=b"{}"))
    stage.engine.wake("turn_1")
    assert stage.drive_while_due(script).outcome == "granted"


def test_a_wake_up_during_the_look_is_not_slept_through(stage):
    waker = stage.another("server")

    def look():
        found = stage.records.get("approval", "turn_1")
        if found is None:
            stage.records.commit(Put(kind="approval", key="turn_1", body=b"{}"))
            waker.wake("turn_1")
        return "granted" if found else None

    def script(trip):
        trip.end(TurnState.DONE, trip.wait("approval", look, str, every=None))

    stage.drive(script)
    assert stage.engine.due() == [stage.turn]
    assert stage.drive_while_due(script).outcome == "granted"


def test_a_look_that_fails_is_tried_again(stage):
    looks = []

    def look():
        looks.append(1)
        if len(looks) == 2:
            raise Unavailable("no answer")
        return "ready" if len(looks) == 4 else None

    def script(trip):
        trip.end(TurnState.DONE, trip.wait("ready", look, str, every=HOUR, retries=1))

    while stage.turn.state is TurnState.OPEN:
        for _ in stage.engine.due():
            stage.drive(script)
        stage.clock.turn(HOUR)
        stage.wall.turn(HOUR)
    assert (stage.turn.outcome, len(looks), stage.steps["ready"].attempt) == ("ready", 4, 2)


def test_writes_of_a_look_are_kept_though_it_finds_nothing(stage):
    def look(trip):
        trip.write(Put(kind="rollout", key="r", body=b"10"), event("looked"))

    stage.drive(lambda trip: trip.wait("rollout", lambda: look(trip), bool, every=HOUR))
    assert (stage.records.get("rollout", "r").body, stage.events) == (b"10", ["looked"])
    assert stage.turn.wake_at == stage.clock.now() + HOUR


def test_a_look_whose_writes_conflict_looks_again(stage):
    stage.records.commit(Put(kind="rollout", key="r", body=b"10"))
    looks = []

    def look():
        record = stage.records.get("rollout", "r")
        if not looks:
            stage.records.commit(Put(kind="rollout", key="r", body=b"rolled back by ada"))
        looks.append(record.body)
        stage.records.commit(Put(kind="rollout", key="r", body=b"50", expect=record.revision))
        return record.body.decode()

    def script(trip):
        trip.end(TurnState.DONE, trip.wait("rollout", look, str, every=HOUR))

    stage.drive(script)
    assert stage.steps["rollout"].note == "looks again: rollout 'r' is at revision 2, not 1"
    assert stage.drive_while_due(script).outcome == "rolled back by ada"
    assert stage.steps["rollout"].attempt == 1


def test_a_turn_ends_together_with_its_last_writes(stage):
    turn = stage.drive(lambda trip: trip.end(TurnState.REFUSED, "no gate passed", writes=[event("refused")]))
    assert (turn.state, turn.outcome, stage.events) == (TurnState.REFUSED, "no gate passed", ["refused"])
    assert stage.engine.due() == []


def test_an_end_whose_writes_conflict_is_tried_again_on_fresh_reads(stage):
    stage.records.commit(Put(kind="loop", key="l", body=b"1"))

    def script(trip):
        record = stage.records.get("loop", "l")
        if record.revision == 1:
            stage.records.commit(Put(kind="loop", key="l", body=b"moved by another"))
        trip.end(TurnState.DONE, "well", writes=[Put(kind="loop", key="l", body=b"2", expect=record.revision)])

    assert stage.drive(script).state is TurnState.OPEN
    stage.wall.turn(HOUR)
    assert stage.drive(script).state is TurnState.DONE
    assert stage.records.get("loop", "l").body == b"2"
    assert stage.steps["end"].state is StepState.DONE


def test_a_failing_turn_takes_its_evidence_with_it(stage):
    def mourn(turn, step):
        assert (turn.state, turn.outcome, step.name, step.state) == (TurnState.FAILED, "ValueError: no", "broken", StepState.FAILED)
        return [event("failed")]

    def fail():
        raise ValueError("no")

    stage.drive(lambda trip: trip.step("broken", fail, int), on_failure=mourn)
    assert (stage.turn.state, stage.events) == (TurnState.FAILED, ["failed"])


def test_evidence_that_conflicts_for_ever_does_not_keep_a_turn_from_failing(stage):
    turn = stage.drive(
        lambda trip: trip.step("broken", lambda: 1 / 0, float),
        on_failure=lambda turn, step: [Put(kind="k", key="k", body=b"1", expect=7)],
    )
    assert (turn.state, turn.outcome) == (TurnState.FAILED, "ZeroDivisionError: division by zero")


def test_a_script_that_returns_is_done(stage):
    assert stage.drive(lambda trip: None).state is TurnState.DONE


def test_a_script_that_breaks_between_its_steps_fails_the_turn(stage):
    def script(trip):
        trip.step("one", lambda: 1, int)
        raise AssertionError("a bug")

    turn = stage.drive(script)
    assert (turn.state, turn.outcome, turn.step) == (TurnState.FAILED, "AssertionError: a bug", "script")
    assert "a bug" in stage.steps["script"].error


def test_a_script_may_catch_its_own_errors_without_catching_the_engine_s(stage):
    def script(trip):
        try:
            trip.poll("job", lambda: None, int)
        except Exception:  # noqa: BLE001
            trip.end(TurnState.FAILED, "caught too much")

    stage.drive(script)
    assert stage.steps["job"].state is StepState.WAITING


def test_a_note_is_seen_while_its_step_runs_and_stays_with_it(stage):
    seen = []

    def train(trip):
        trip.note("1 of 3 trees")
        seen.append((stage.steps["train"].note, stage.steps["train"].state))
        trip.note("2 of 3 trees")
        trip.note("3 of 3 trees")
        return True

    stage.drive(lambda trip: trip.step("train", lambda: train(trip), bool))
    assert seen == [("1 of 3 trees", StepState.RUNNING)]
    assert stage.steps["train"].note == "3 of 3 trees"


def test_a_waiting_step_shows_the_note_of_its_last_look(stage):
    def script(trip):
        trip.poll("job", lambda: trip.note("trial 4 of 20"), bool)

    stage.drive(script)
    assert stage.steps["job"].note == "trial 4 of 20"


def test_a_step_that_is_under_way_shows_where_the_turn_is(stage):
    stage.drive(lambda trip: trip.step("fit", lambda: stage.turn.step, str))
    assert stage.steps["fit"].result == '"fit"'


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stopped_process_leaves_the_turn_open_and_free(stage, stop):
    def interrupted():
        raise stop

    with pytest.raises(stop):
        stage.drive(lambda trip: trip.step("long", interrupted, int))
    assert (stage.turn.state, stage.turn.owner, stage.turn.lease_until) == (TurnState.OPEN, "", None)
    assert stage.another("second").due() == [stage.turn]
    stage.drive(lambda trip: trip.step("long", lambda: 1, int))
    assert stage.steps["long"].attempt == 1


def test_records_that_do_not_answer_leave_the_turn_open(stage):
    def script(trip):
        raise Unavailable("the records do not answer")

    with pytest.raises(Unavailable):
        stage.drive(script)
    assert stage.engine.due() == [stage.turn]


def test_a_conflict_outside_of_any_step_fails_the_turn(stage):
    def script(trip):
        trip.write(Put(kind="k", key="k", body=b"1", expect=7))

    assert stage.drive(script).outcome == "k 'k' is at revision 0, not 7"
    with pytest.raises(Conflict):
        stage.engine.open(stage.turn)
