"""Real drivers on one SQLite file, killed with SIGKILL or held up at every step: each effect still happens once."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noria.adapters.sqlite import Sqlite
from noria.core.turning import Cause, Signal, StepState, Turn, TurnState
from noria.durable.engine import Engine

NOW = datetime(2013, 1, 1, tzinfo=UTC)
STEPS = ["data", "register", "job", "promote", "end"]
PATIENCE_S = 60

DRIVER = """
import os, signal, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from noria.adapters.sqlite import Sqlite
from noria.core.turning import TurnState
from noria.durable.engine import Engine
from noria.ports.records import Append, Put

path, owner, stop_at, how = sys.argv[1:]
records = Sqlite(Path(path))
commit = records.commit

class Now:
    def now(self):
        return datetime.now(UTC)

def mishap(step, when):
    if (step, when) == (stop_at, how):
        os.kill(os.getpid(), signal.SIGKILL)
    if step == stop_at and how == "hang" and when == "during":
        print("hanging", flush=True)
        while not (Path(path).parent / "go").exists():
            time.sleep(0.01)

def watched(*writes):
    step = next((w.key.partition("-")[2] for w in writes if w.kind == "step"), "end" if len(writes) > 1 else "")
    if step != "end" and b'"state":"running"' in b"".join(w.body for w in writes if w.kind == "step"):
        return commit(*writes)
    mishap(step, "before")
    commit(*writes)
    mishap(step, "after")

records.commit = watched

def effect(name):
    found = records.get("count", name)
    count, revision = (int(found.body), found.revision) if found else (0, 0)
    id = f"{name} by {owner}"
    return [
        Put(kind="count", key=name, body=str(count + 1).encode(), expect=revision),
        Append(id=id, loop="l", kind=name, subject="l", turn="turn_1", body=b"{}"),
    ]

def act(step, value, *writes):
    mishap(step, "during")
    return (value, writes) if writes else value

def script(trip):
    data = trip.step("data", lambda: act("data", [1, 2]), list[int])
    trip.commit("register", lambda: act("register", True, *effect("registered")), bool)
    looks = []
    trip.poll("job", lambda: act("job", len(data)) if (Path(path).parent / "job").exists() else (Path(path).parent / "job").touch(), int)
    trip.commit("promote", lambda: act("promote", True, *effect("promoted")), bool)
    writes = effect("ended")
    mishap("end", "during")
    trip.end(TurnState.DONE, f"{data}", writes=writes)

engine = Engine(records, clock=Now(), wall=Now(), owner=owner, lease=timedelta(seconds=1))
print("ready", flush=True)
while engine.get("turn_1").state is TurnState.OPEN:
    for turn in engine.due():
        engine.drive(turn, script)
    time.sleep(0.01)
"""


class Yard:
    """The records of one turn, and processes that drive it."""

    def __init__(self, folder: Path):
        self.path = folder / "noria.db"
        self.records = Sqlite(self.path)
        self.engine = Engine(self.records, clock=None, wall=None, owner="nobody")
        asked = Signal(id="signal_1", loop="l", cause=Cause.MANUAL, reason="asked", at=NOW)
        self.engine.open(Turn(id="turn_1", loop="l", number=1, state=TurnState.OPEN, signal=asked, code="", created_at=NOW))
        self.running = []

    def start(self, owner, stop_at="", how=""):
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(self.path), owner, stop_at, how], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    def close(self):
        for process in self.running:
            process.kill()
            process.wait()
            process.stdout.close()
        self.records.close()

    def assert_ended_as_undisturbed(self):
        turn = self.engine.get("turn_1")
        assert (turn.state, turn.outcome, turn.owner) == (TurnState.DONE, "[1, 2]", "")
        assert [line.id.split()[0] for line in self.records.lines()] == ["registered", "promoted", "ended"]
        assert {record.key: record.body for record in self.records.find("count")} == {"registered": b"1", "promoted": b"1", "ended": b"1"}
        steps = [(step.name, step.state, step.attempt) for step in self.engine.steps("turn_1")]
        assert steps == [(name, StepState.DONE, 1) for name in STEPS[:-1]]


@pytest.fixture
def yard(tmp_path):
    yard = Yard(tmp_path)
    yield yard
    yard.close()


def test_a_turn_ends_though_its_driver_is_killed_at_every_step_and_moment(yard):
    """One life: each process is killed at the next place; the one after it goes on there, under its own name."""
    for step in STEPS[:-1]:
        for how in ("during", "before", "after"):
            assert yard.start("the-driver", step, how).wait(PATIENCE_S) == -signal.SIGKILL, (step, how)
    for how in ("during", "before"):
        assert yard.start("the-driver", "end", how).wait(PATIENCE_S) == -signal.SIGKILL, how
    assert yard.start("the-driver").wait(PATIENCE_S) == 0
    yard.assert_ended_as_undisturbed()


@pytest.mark.parametrize(("step", "how"), [("register", "before"), ("promote", "after")])
def test_another_driver_takes_over_when_the_lease_has_run_out(yard, step, how):
    first, second = yard.start("first", step, how), None
    assert first.wait(PATIENCE_S) == -signal.SIGKILL
    owner = yard.engine.get("turn_1").owner
    second = yard.start("second")
    assert second.wait(PATIENCE_S) == 0
    assert owner == "first"
    assert yard.engine.get("turn_1").token == 1
    yard.assert_ended_as_undisturbed()


def test_a_driver_that_is_at_work_keeps_its_turn_from_others(yard):
    first = yard.start("first", "register", "hang")
    assert first.stdout.readline() == "hanging\n"
    second = yard.start("second")
    time.sleep(2.5)
    assert (yard.engine.get("turn_1").owner, second.poll()) == ("first", None)
    first.kill()
    assert second.wait(PATIENCE_S) == 0
    yard.assert_ended_as_undisturbed()


def test_a_driver_that_was_frozen_and_thaws_changes_nothing(yard):
    first = yard.start("first", "register", "hang")
    assert first.stdout.readline() == "hanging\n"
    os.kill(first.pid, signal.SIGSTOP)
    assert yard.start("second").wait(PATIENCE_S) == 0
    (yard.path.parent / "go").touch()
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(PATIENCE_S) == 0
    yard.assert_ended_as_undisturbed()


def test_many_drivers_that_start_together_do_the_work_once(yard):
    drivers = [yard.start(f"driver-{n}") for n in range(3)]
    assert [driver.wait(PATIENCE_S) for driver in drivers] == [0, 0, 0]
    yard.assert_ended_as_undisturbed()
