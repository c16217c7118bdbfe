"""The whole loop as real processes, killed and restarted: nothing is lost, nothing is done twice, and people see the same."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

from noria.core.turning import TurnState

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("noria_tests_house", HERE / "house.py")
assert _spec is not None and _spec.loader is not None
houses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(houses)
wait_until = houses.wait_until

DOOMS = [
    "before turn opened",
    "after turn opened",
    "after step data running",
    "before step data done",
    "after step data done",
    "after step features waiting",
    "before step features done",
    "after step tuning done",
    "before step training done",
    "after step training done",
    "after step evaluation done",
    "before step told done",
    "before step governance done",
    "after step governance done",
    "after step approval waiting",
    "before step approval done",
    "after step approved done",
    "before version",
    "after version",
    "before alias challenger set",
    "after alias challenger set",
    "before step serving done",
    "after step serving done",
    "before rollout canary",
    "after rollout canary",
    "before rollout promoted",
    "after rollout promoted",
    "before alias champion set",
    "after alias champion set",
    "after alias challenger cleared",
    "before step monitoring done",
    "after step monitoring done",
    "after turn ended",
]
"""Just before and just after each commit that a turn consists of."""


class Doomed:
    """A control plane that dies at each place in turn, just before and just after it commits, and is started again."""

    def __init__(self, house, dooms: list[str]) -> None:
        self._house = house
        self._dooms = dooms
        self._nursery = house.start(str(HERE / "doomed_server.py"), str(house.home))
        self.deaths: list[str] = []
        self._next()

    def settled(self) -> None:
        """Wait until it has nothing left to do, however often it dies on the way."""
        wait_until(self._settled, f"rest, with {self._doom!r} ahead")

    def _settled(self) -> bool:
        if self._house.settle():
            return True
        if not _lives(self.pid):
            assert int(self._nursery.stdout.readline()) == -signal.SIGKILL
            self.deaths.append(self._doom)
            self._next()
        return False

    def _next(self) -> None:
        self._doom = self._dooms.pop(0) if self._dooms else "never"
        self._nursery.stdin.write(f"{self._doom}\n")
        self._nursery.stdin.flush()
        self.pid = int(self._nursery.stdout.readline())


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def told(house) -> list[tuple[object, ...]]:
    """The story of the newest turn without what differs between any two runs: ids made from time and chance, and traffic's numbers."""
    turn = house.newest()
    own = [event for event in house.events() if event.turn == turn.id]
    return [(event.at, event.id.partition(":")[2], event.kind, event.subject.replace(turn.id, "this turn"), event.by) for event in own]


def what_came_of_it(house) -> dict[str, object]:
    turn, state = house.newest(), house.state()
    return {
        "turn": (turn.number, turn.state, turn.step, turn.created_at, turn.ended_at, turn.owner, turn.wake_at),
        "turns": len(house.turns()),
        "steps": [(step.name, step.state, step.attempt, step.seq) for step in house.world.engine.steps(turn.id)],
        "versions": [(v.number, v.scorecard.metrics, v.created_at) for v in house.versions()],
        "champion": [(m.before, m.after, m.at, m.by) for m in house.moves()],
        "challenger": [(m.before, m.after, m.at, m.by) for m in house.moves("challenger")],
        "story": told(house),
        "state": (state.phase, state.champion, state.challenger, state.last_decision.split(":")[0], state.last_decision_event[-9:]),
    }


@pytest.fixture
def house(tmp_path):
    with houses.house(tmp_path) as made:
        yield made


def test_a_turn_ends_as_if_nothing_had_happened_though_its_control_plane_is_killed_in_every_state(tmp_path) -> None:
    """The same turn twice: undisturbed, and with the control plane killed just before and just after every commit of it."""
    came = {}
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        with houses.house(tmp_path / name) as house:
            house.start_dataplane()
            first = house.start_server()
            house.be_born()
            first.send_signal(signal.SIGTERM)
            first.wait()
            dooms = DOOMS if name == "killed" else []
            control = Doomed(house, list(dooms))
            house.verbs.turn("orders", by="ada", reason="to see it through")
            control.settled()
            turn = house.live_through(settled=control.settled)
            control.settled()
            assert turn.state is TurnState.DONE, turn.outcome
            assert control.deaths == dooms
            came[name] = what_came_of_it(house)
            lines = [event.id for event in house.events()]
            assert len(lines) == len(set(lines))
    for part, undisturbed in came["undisturbed"].items():
        assert came["killed"][part] == undisturbed, part
