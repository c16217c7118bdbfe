"""The whole loop as real processes, killed and restarted: nothing is lost, nothing is done twice, and people see the same."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from noria.app.processes import NAMES, pid_of
from noria.core.state import TrafficPoint
from noria.core.turning import TurnState
from noria.stages.serving import log

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
    "after step leakage done",
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


def test_a_turn_ends_as_if_nothing_had_happened_though_its_control_plane_is_killed_in_every_state(tmp_path) -> None:
    """The same turn twice: undisturbed, and with the control plane killed just before and just after every commit of it."""
    came = {}
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        with houses.house(tmp_path / name, lease_s=0.3) as house:
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


def test_a_workshop_that_is_killed_is_started_again_and_one_that_lives_outlives_its_control_plane(tmp_path) -> None:
    gate = tmp_path / "go"
    waits = houses.UNWATCHED.replace('"wait_for": ""', f'"wait_for": {str(gate)!r}')
    with houses.house(tmp_path, declaration=waits) as house:
        server = house.start_server()
        house.verbs.up(house.file)
        wait_until(lambda: house.turns() and house.newest().step == "training", "train() to begin")
        bench = house.home / "jobs" / house.newest().id
        wait_until(lambda: "training" in (bench / "progress.txt").read_text(), "train() to wait")

        os.killpg(int(next(bench.glob("attempt-1/*.group")).read_text()), signal.SIGKILL)
        group = wait_until(lambda: next(bench.glob("attempt-2/*.group"), None), "the workshop to be started again")
        server.kill()
        server.wait()
        gate.touch()
        wait_until(lambda: (bench / "evaluation.json").exists(), "the workshop to finish while no control plane runs")
        assert house.newest().step == "training"

        house.start_server()
        wait_until(lambda: house.newest().state is TurnState.DONE, "the turn to go on with what the workshop left")
        assert sorted(folder.name for folder in bench.glob("attempt-*")) == ["attempt-1", "attempt-2"]
        assert group.with_suffix(".exit").read_text().strip() == "0"
        assert [step.attempt for step in house.world.engine.steps(house.newest().id)] == [1] * 10
        assert len(house.versions()) == len(house.moves()) == 1


def test_predictions_and_outcomes_outlive_their_data_plane_and_do_without_a_control_plane(tmp_path) -> None:
    with houses.house(tmp_path, declaration=houses.UNWATCHED) as house:
        server, plane = house.start_server(), house.start_dataplane()
        house.be_born()
        server.kill()
        server.wait()

        enough = threading.Event()

        def ask_on() -> int:
            rounds = 0
            while not enough.is_set():
                house.ask(100)
                rounds += 1
            return 100 * rounds

        def logged_by_now() -> int:
            told = house.plane("/plan")
            return told["counters"]["logged"] if told else 0

        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask_on)
            try:
                wait_until(lambda: logged_by_now() >= 400, "load")
                plane.kill()
                plane.wait()
                house.start_dataplane()
                wait_until(lambda: logged_by_now() >= 100, "load on the next data plane")
            finally:
                enough.set()
            asked = asking.result()
        counted = house.plane("/plan")["counters"]
        assert 0 < counted["requests"] == counted["logged"] + counted["sampled_out"] + counted["dropped"]
        assert (counted["dropped"], counted["failed"]) == (0, 0)
        assert log.predictions(house.world.log_folder, "orders").is_empty()

        house.start_server()
        house.pass_time()
        house.settled()
        logged, outcomes = log.predictions(house.world.log_folder, "orders"), log.outcomes(house.world.log_folder, "orders")
        assert len(house.acknowledged) == len(house.told) == asked
        assert set(logged["request_id"]) == house.acknowledged
        assert set(outcomes["request_id"]) == house.told
        assert logged.height == outcomes.height == asked
        points = house.world.documents.find(TrafficPoint, where={"loop": "orders"})
        assert sum(sum(point.requests.values()) for point in points) == asked
        assert sum(point.failed for point in points) == 0


def test_of_two_control_planes_each_takes_over_what_the_other_leaves_when_it_is_killed(tmp_path) -> None:
    gate = tmp_path / "go"
    waits = houses.UNWATCHED.replace('"wait_for": ""', f'"wait_for": {str(gate)!r}')
    with houses.house(tmp_path, declaration=waits) as house:
        house.start_dataplane()
        ports = {house.start_server().pid: house.settings.port}
        other = houses.free_port()
        ports[house.start_server("server-2", port=other).pid] = other
        wait_until(lambda: all(house.serves(port) for port in ports.values()), "both control planes")

        def keeper() -> int | None:
            record = house.world.records.get("duty", "keeper")
            return int(json.loads(record.body)["owner"].split(":")[1]) if record else None

        house.verbs.up(house.file)
        wait_until(lambda: house.turns() and house.newest().step == "training", "train() to begin")
        first = keeper()
        second = next(pid for pid in ports if pid != first)
        assert not house.settle(timeout_s=1.0, port=ports[second])
        os.kill(first, signal.SIGKILL)
        gate.touch()
        wait_until(lambda: house.newest().state is TurnState.DONE, "the other one to end the turn")
        wait_until(house.follows_plan, "the other one to bring the plan out")
        assert keeper() == second
        house.ask(50)
        house.pass_time()
        wait_until(lambda: house.settle(port=ports[second]), "the other one to take the traffic in")
        assert set(log.predictions(house.world.log_folder, "orders")["request_id"]) == house.acknowledged
        assert len(house.versions()) == len(house.moves()) == 1
        lines = [event.id for event in house.events()]
        assert len(lines) == len(set(lines))


class Terminal:
    """A user's terminal in the folder of the loop file: the installed `noria` script."""

    def __init__(self, house) -> None:
        self._house = house

    def __call__(self, *words: str, fails: bool = False) -> str:
        where = {"COLUMNS": "200"}
        script = Path(sys.executable).with_name("noria")
        done = subprocess.run([script, *words], cwd=self._house.folder, env=os.environ | where, capture_output=True, text=True, timeout=120)
        assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if done.stdout else done.stderr

    def json(self, *words: str, fails: bool = False):
        return json.loads(self(*words, "--json", fails=fails))


def test_a_user_brings_a_loop_up_keeps_it_through_a_crash_of_their_code_and_of_a_server_and_ends_it(tmp_path) -> None:
    declaration = houses.DECLARATION.replace('watch=[nr.freshness("400d")],', "").replace('window="60d"', "")
    with houses.house(tmp_path, declaration=declaration, clock="system") as house:
        noria = Terminal(house)
        ports = ("--port", str(house.settings.port), "--serve-port", str(house.settings.serve_port))
        up = noria.json("up", "orders.py", "--detach", "--home", str(house.home), *ports)
        assert (up["loops"], up["dataplane"]) == (["orders"], f"http://127.0.0.1:{house.settings.serve_port}")

        wait_until(lambda: house.state().phase == "waiting-for-approval", "the candidate of the birth")
        status = noria.json("status")[0]
        assert (status["loop"]["phase"], status["turn"]["step"]) == ("waiting-for-approval", "approval")
        assert noria.json("approve", "--because", "good marks", "--by", "ada")["granted"] is True
        wait_until(lambda: house.champion() == 1 and house.follows_plan(), "the first champion to serve")

        asked = ("a=0.5", "b=-1", "city=ulm", "order=o-1", "at=2024-02-01T00:00:00Z")
        told = noria.json("predict", "orders", *asked, "--id", "o-1")
        assert (told["id"], told["version"]) == ("o-1", 1)
        assert 0.5 < told["prediction"] < 1
        assert noria.json("feedback", "orders", "o-1", "true") == {"told": 1}
        wait_until(lambda: noria.json("quality")["curve"]["rows"] == 1, "the prediction log")

        noria("turn", "--because", "to see a second one")
        wait_until(lambda: house.state().phase == "waiting-for-approval", "the second candidate")
        server = pid_of(house.home, "server")
        os.kill(server, signal.SIGKILL)
        noria("approve", "--by", "ada")
        wait_until(lambda: pid_of(house.home, "server") not in (None, server), "the supervisor to start the control plane again")
        wait_until(lambda: house.newest().state is TurnState.DONE or (house.ask(40) and False), "traffic to bring the second one in")
        assert house.champion() == 2
        why = noria.json("why")
        assert {"signal.given", "turn.started", "scorecard.made", "approval.granted", "rollout.promoted"} <= {line["kind"] for line in why}
        assert "to see a second one" in noria("why")

        assert noria.json("rollback", "--because", "woken at night", "--by", "ops")["champion"] == 1
        wait_until(house.follows_plan, "the data plane to go back")
        assert noria.json("predict", "orders", *asked)["version"] == 1

        house.file.write_text(declaration.replace('"broken": False', '"broken": True'))
        noria("up", "orders.py", "--detach")
        noria("turn")
        wait_until(lambda: len(house.turns()) == 3 and house.newest().state is TurnState.FAILED, "the broken train() to fail its turn")
        broken = next(step for step in house.world.engine.steps(house.newest().id) if step.error)
        assert broken.name == "training"
        assert 'raise RuntimeError("the oven is cold")' in broken.error
        assert "the oven is cold" in noria("status")
        assert house.serves(house.settings.port)
        assert house.ask(20, tell=False).versions == {1: 20}

        assert noria.json("stop")["ended"] == list(NAMES)
        assert [name for name in NAMES if pid_of(house.home, name)] == []
        assert noria.json("status")[0]["loop"]["champion"] == 1


def test_a_loop_file_with_several_mistakes_is_refused_with_all_of_them_at_once(tmp_path) -> None:
    wrong = houses.DECLARATION.replace('entity="city"', 'entity="town"').replace('orders["a", "b"]', 'orders["a", "bb"]')
    wrong = wrong.replace("roc_auc=0.6", "rocauc=0.6").replace("steps=[50, 100]", "steps=[50, 10]")
    with houses.house(tmp_path, declaration=wrong) as house:
        noria = Terminal(house)
        error = noria.json("up", "orders.py", "--detach", fails=True)["error"]
        said = noria("up", "orders.py", "--detach", fails=True)
        for mistake in ("'town'", "'bb'", "'rocauc'", "(50.0, 10.0)"):
            assert mistake in error["message"] and mistake in said, said
        assert error["code"] == "declaration-invalid"
        assert [name for name in NAMES if pid_of(house.home, name)] == []
        assert house.events() == []
