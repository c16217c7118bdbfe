"""Whatever is killed or overtaken, and wherever: every effect happens once, and the end is as undisturbed."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from noria.core.turning import Cause, Signal, Turn, TurnState
from noria.durable.engine import Engine
from noria.ports.records import Append, Put
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords

START = datetime(2013, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)


class Killed(BaseException):
    """The process is gone: nothing that it still tries comes through."""


class DoomedRecords:
    """Records as one process sees them that dies, or is held up, at its n-th commit from now.

    Args:
        how: "before" or "after" (killed before or after the commit happened), or "overtaken"
            (held up before it, until its lease has run out and `meanwhile` has been).
    """

    def __init__(self, records, at=None, how="before", meanwhile=lambda: None):
        self.records, self.left, self.how, self.meanwhile = records, at, how, meanwhile
        self.dead = False

    def commit(self, *writes):
        self._live()
        if self.left == 0 and self.how == "overtaken":
            self.meanwhile()
        if self.left == 0 and self.how == "before":
            self.dead = True
        self._live()
        try:
            self.records.commit(*writes)
        finally:
            self.dead = self.left == 0 and self.how == "after"
            self.left = None if self.left is None else self.left - 1
        self._live()

    def get(self, *args):
        self._live()
        return self.records.get(*args)

    def find(self, *args, **options):
        self._live()
        return self.records.find(*args, **options)

    def _live(self):
        if self.dead:
            raise Killed


class Town:
    """One turn, its world, and processes that come and go."""

    def __init__(self):
        self.records = MemoryRecords()
        self.clock, self.wall = HandClock(), HandClock()
        self.processes = 0
        self.process().open(self.opened())

    @staticmethod
    def opened():
        signal = Signal(id="signal_1", loop="l", cause=Cause.MANUAL, reason="asked", at=START)
        return Turn(id="turn_1", loop="l", number=1, state=TurnState.OPEN, signal=signal, code="", created_at=START)

    @property
    def turn(self):
        return self.process().get("turn_1")

    @property
    def effects(self):
        return [line.id.split("#")[0] for line in self.records.lines()]

    def process(self, records=None):
        self.processes += 1
        owner = f"process-{self.processes}"
        return Engine(records or self.records, clock=self.clock, wall=self.wall, owner=owner, lease=LEASE)

    def drive(self, records=None):
        engine = self.process(records)
        try:
            for turn in engine.due():
                engine.drive(turn, self.script, on_failure=lambda turn, step: [self.effect("failed")])
        except Killed:
            return

    def overtake(self):
        self.wall.turn(LEASE)
        self.drive()

    def live_on(self):
        """All goes well from here; the end must come."""
        for _ in range(40):
            if self.turn.state is not TurnState.OPEN:
                return
            self.clock.turn(HOUR)
            self.wall.turn(LEASE)
            self.drive()
        raise AssertionError(f"the turn does not end: {self.turn}")

    def effect(self, name):
        """An event with an id of its own each time, so that doing it twice shows."""
        self.processes += 1
        return Append(id=f"{name}#{self.processes}", loop="l", kind="k", subject="l", turn="", body=b"{}")

    def counted_up(self, name):
        found = self.records.get("count", name)
        count, revision = (int(found.body), found.revision) if found else (0, 0)
        return Put(kind="count", key=name, body=str(count + 1).encode(), expect=revision)

    def fail_once(self, trip):
        attempts = {step.name: step.attempt for step in self.process().steps(trip.turn.id)}
        if attempts["flaky"] == 1:
            raise ValueError("the first attempt always fails")
        return 7

    def script(self, trip):
        data = trip.step("data", lambda: [1, 2, 3], list[int])
        trip.commit("register", lambda: (True, [self.counted_up("versions"), self.effect("registered")]), bool)
        flaky = trip.step("flaky", lambda: self.fail_once(trip), int, retries=1)
        trip.wait("window", lambda: True if trip.clock.now() >= START + 3 * HOUR else None, bool, every=HOUR)
        looked = trip.poll("job", lambda: len(data) if trip.clock.now() >= START + 5 * HOUR else None, int)
        trip.commit("promote", lambda: (True, [self.counted_up("promotions"), self.effect("promoted")]), bool)
        trip.end(TurnState.DONE, f"{data} {flaky} {looked}", writes=[self.counted_up("ends"), self.effect("ended")])

    def assert_ended_as_undisturbed(self):
        assert (self.turn.state, self.turn.outcome, self.turn.owner) == (TurnState.DONE, "[1, 2, 3] 7 3", "")
        assert self.effects == ["registered", "promoted", "ended"]
        assert {record.key: record.body for record in self.records.find("count")} == {"versions": b"1", "promotions": b"1", "ends": b"1"}
        steps = {step.name: (step.state.value, step.result, step.attempt) for step in self.process().steps("turn_1")}
        assert steps == {
            "data": ("done", "[1,2,3]", 1),
            "register": ("done", "true", 1),
            "flaky": ("done", "7", 2),
            "window": ("done", "true", 1),
            "job": ("done", "3", 1),
            "promote": ("done", "true", 1),
        }


class Counting(MemoryRecords):
    def __init__(self):
        super().__init__()
        self.commits = 0

    def commit(self, *writes):
        super().commit(*writes)
        self.commits += 1


@lru_cache
def commits_of_a_life():
    town = Town()
    town.records, opened = Counting(), town.opened()
    town.process().open(opened)
    town.live_on()
    town.assert_ended_as_undisturbed()
    return town.records.commits


@pytest.mark.parametrize("how", ["before", "after", "overtaken"])
def test_a_life_with_one_mishap_ends_as_any_other(how):
    for at in range(commits_of_a_life()):
        town = Town()
        doomed = DoomedRecords(town.records, at, how, town.overtake)
        for _ in range(12):
            town.drive(doomed)
            town.clock.turn(HOUR)
            town.wall.turn(timedelta(seconds=5))
        town.live_on()
        town.assert_ended_as_undisturbed()


@pytest.mark.parametrize("how", ["before", "after", "overtaken"])
def test_a_life_in_which_every_process_meets_its_mishap_ends_too(how):
    """Each process is stopped at its fourth commit: it takes the turn, and ends at most one step."""
    town = Town()
    for _ in range(60):
        town.drive(DoomedRecords(town.records, 3, how, town.overtake))
        town.clock.turn(HOUR)
        town.wall.turn(LEASE)
    town.assert_ended_as_undisturbed()


class Lives(RuleBasedStateMachine):
    """Any order of driving, dying, being overtaken, waking and waiting."""

    def __init__(self):
        super().__init__()
        self.town = Town()

    @rule(at=st.integers(0, 8), how=st.sampled_from(["before", "after"]))
    def drive_and_die(self, at, how):
        self.town.drive(DoomedRecords(self.town.records, at, how))

    @rule(at=st.integers(0, 8), second=st.none() | st.integers(0, 8))
    def drive_and_be_overtaken(self, at, second):
        """By a process that may itself die on the way."""

        def overtake():
            self.town.wall.turn(LEASE)
            self.town.drive(None if second is None else DoomedRecords(self.town.records, second))

        self.town.drive(DoomedRecords(self.town.records, at, "overtaken", overtake))

    @rule(at=st.integers(0, 8))
    def drive_and_be_woken(self, at):
        self.town.drive(DoomedRecords(self.town.records, at, "overtaken", lambda: self.town.process().wake("turn_1")))

    @rule()
    def drive(self):
        self.town.drive()

    @rule()
    def wake(self):
        self.town.process().wake("turn_1")

    @rule(hours=st.integers(1, 3))
    def time_passes_in_the_world(self, hours):
        self.town.clock.turn(hours * HOUR)

    @rule(seconds=st.sampled_from([1, 15, 31]))
    def time_passes_on_the_wall(self, seconds):
        self.town.wall.turn(timedelta(seconds=seconds))

    @invariant()
    def no_effect_has_happened_twice(self):
        assert len(set(self.town.effects)) == len(self.town.effects)

    @precondition(lambda self: self.town.turn.state is not TurnState.OPEN)
    @rule()
    def an_ended_turn_is_never_due(self):
        assert self.town.process().due() == []

    def teardown(self):
        self.town.live_on()
        self.town.assert_ended_as_undisturbed()


Lives.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestLives = Lives.TestCase
