"""What can go wrong on a real machine, with real processes under load: answers go on, and what was lost is told."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import resource
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

_spec = importlib.util.spec_from_file_location("test_workers", Path(__file__).with_name("test_workers.py"))
crowds = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(crowds)
planes, until, told = crowds.planes, crowds.until, crowds.told

SEGFAULT, HANG, LEAK = planes.program.SEGFAULT, planes.program.HANG, planes.program.LEAK


@pytest.fixture
def plane(tmp_path) -> Iterator[planes.Plane]:
    opened = planes.Plane(tmp_path)
    yield opened
    if opened.process is not None and opened.process.poll() is None:
        opened.process.kill()
        opened.process.wait()


def ask(plane: planes.Plane, **changes) -> httpx.Response:
    return httpx.post(f"{plane.url}/predict/late", json={"inputs": planes.ROW | changes}, timeout=20)


class Behind:
    """Load in a thread of its own, while the test does something to the data plane."""

    def __init__(self, plane: planes.Plane, requests: int = 200) -> None:
        self.load = crowds.Patient(plane.url)
        self._thread = threading.Thread(target=lambda: asyncio.run(self.load.run(callers=4, requests=requests)))

    def __enter__(self) -> crowds.Patient:
        self._thread.start()
        while len(self.load.answers) < 20:
            time.sleep(0.005)
        return self.load

    def __exit__(self, failed: object, *_: object) -> None:
        self.load.enough |= failed is not None
        self._thread.join()


def test_a_full_disk_costs_predictions_their_record_and_nobody_an_answer_until_there_is_room_again(plane) -> None:
    plane.publish()
    plane.start()
    pid, free = plane.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with Behind(plane, requests=1_000_000) as load:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        until(lambda: plane.counters()["dropped"] > 20)
        assert "the journal takes no predictions" in told(plane)["problems"]["journal"]
        refused = httpx.post(f"{plane.url}/feedback/late", json={"outcomes": [{"id": "r1", "value": 1.0}]})
        assert refused.status_code == 503
        resource.prlimit(pid, resource.RLIMIT_FSIZE, free)
        until(lambda: ask(plane).status_code == 200 and told(plane)["problems"] == {})
        load.enough = True
    assert (load.statuses, load.broken) == ({200}, 0)
    counters = plane.counters()
    assert len(list(Path(f"/proc/{pid}/fd").iterdir())) < 60, "no descriptor is lost on the way"
    assert plane.end() == 0
    assert plane.logged()[0].height == counters["logged"]


def test_everything_else_may_be_gone_while_it_answers_and_when_it_starts(plane) -> None:
    plane.publish()
    plane.start()
    with Behind(plane) as load:
        shutil.rmtree(plane.home / "blobs")
        shutil.rmtree(plane.home / "plan")
    assert (load.statuses, len(load.answers)) == ({200}, 200)
    assert plane.end() == 0
    plane.start()
    assert ask(plane).status_code == 200
    assert plane.end() == 0


def test_a_corrupted_model_is_refused_by_its_digest_the_old_one_serves_on_and_the_mended_one_comes(plane) -> None:
    plane.publish()
    plane.start()
    version = plane.version(3)
    file = plane.home / "blobs" / version.artifact[7:]
    sound = file.read_bytes()
    with Behind(plane) as load:
        file.write_bytes(sound.replace(b"0.003", b"0.004"))
        planes.publish(
            planes.Plan(revision=2, routes={"late": planes.Route(deployment="late", champion=version)}), plane.home / "plan" / "plan.json"
        )
        problem = until(lambda: told(plane)["problems"].get("late"))
    assert "is not what its digest says" in problem
    assert {answer["version"] for answer in load.answers.values()} == {1}
    file.write_bytes(sound)
    until(lambda: ask(plane).json()["version"] == 3)
    assert told(plane)["problems"] == {}
    assert plane.end() == 0


def test_a_segfault_costs_the_row_that_did_it(plane) -> None:
    plane.publish(isolated=True)
    plane.start(isolation={"timeout_ms": 20_000.0})
    with Behind(plane) as load:
        answer = ask(plane, distance=SEGFAULT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert "signal 11" in answer.json()["error"]["message"] or "its process died" in answer.json()["error"]["message"]
    assert (load.statuses, load.broken, len(load.answers)) == ({200}, 0, 200)
    metrics = httpx.get(f"{plane.url}/metrics").text
    assert 'noria_model_restarts_total{deployment="late",version="1",why="killed"} 2.0' in metrics
    assert plane.end() == 0
    predictions, _ = plane.logged()
    assert set(load.answers) <= set(predictions["request_id"])
    assert predictions.filter(predictions["error"] != "").height == 1


def test_a_hang_costs_its_own_time_and_the_process_is_replaced(plane) -> None:
    plane.publish(isolated=True)
    plane.start(isolation={"timeout_ms": 1_000.0, "processes": 2})
    with Behind(plane) as load:
        answer = ask(plane, distance=HANG)
        assert answer.status_code == 503
        assert "no answer within 1000 ms" in answer.json()["error"]["message"]
    until(lambda: 'why="hang"} 1.0' in httpx.get(f"{plane.url}/metrics").text)
    assert load.broken == 0
    assert len(load.answers) >= 180, "rows that were asked together with it share its fate, no others"
    until(lambda: told(plane)["problems"] == {})
    assert ask(plane).status_code == 200
    assert plane.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_leak_is_replaced_before_it_hurts_and_nobody_notices(plane) -> None:
    plane.publish(isolated=True)
    plane.start(isolation={"timeout_ms": 20_000.0}, limits={"growth_bytes": 60 << 20, "every_s": 0.05})
    with Behind(plane) as load:
        for _ in range(9):
            assert ask(plane, distance=LEAK).status_code == 200
        until(lambda: 'why="memory"} 1.0' in httpx.get(f"{plane.url}/metrics").text)
    assert (load.statuses, load.broken, len(load.answers)) == ({200}, 0, 200)
    assert plane.end() == 0


def test_swaps_of_isolated_champions_lose_no_request_and_mix_no_answer(plane) -> None:
    plane.publish(isolated=True)
    plane.start(isolation={"timeout_ms": 20_000.0})
    truth = {number: planes.program.Logistic([0.1, 0.0001, 0.01, 0.02, 0.001 * number]) for number in (1, 2, 3)}
    with Behind(plane, requests=1_000_000) as load:
        for revision, number in ((2, 2), (3, 3), (4, 1)):
            plane.publish(revision, champion=number, isolated=number != 3)
            until(lambda wanted=revision: told(plane)["revision"] == wanted)
        load.enough = True
    assert (load.statuses, load.broken) == ({200}, 0)
    by_version = {}
    for answer in load.answers.values():
        by_version.setdefault(answer["version"], set()).add(answer["prediction"])
    matrix = planes.program.np.array([[1.0, planes.ROW["distance"], float("nan"), 3.0, 10.0]])
    assert by_version.keys() <= truth.keys() and len(by_version) > 1
    assert all(found == {float(truth[number].score(matrix)[0])} for number, found in by_version.items())
    assert plane.end() == 0


def test_a_caller_that_leaves_in_the_middle_takes_nobody_along(plane) -> None:
    plane.publish(isolated=True)
    plane.start(isolation={"timeout_ms": 20_000.0})
    body = json.dumps({"rows": [{"inputs": planes.ROW}] * 200}).encode()
    head = b"POST /predict/late HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    host, port = plane.url.removeprefix("http://").split(":")
    with Behind(plane) as load:
        for sent in (head, head + body[:1_000], head + body, head + body):
            with socket.create_connection((host, int(port))) as caller:
                caller.sendall(sent)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert (load.statuses, load.broken, len(load.answers)) == ({200}, 0, 200)
    assert ask(plane).status_code == 200
    assert plane.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_callers_that_trickle_or_never_read_cost_no_memory_and_nobody_elses_time(plane) -> None:
    plane.publish()
    plane.start()
    host, port = plane.url.removeprefix("http://").split(":")
    body = json.dumps({"rows": [{"inputs": planes.ROW}] * 20}).encode()
    whole = b"POST /predict/late HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    assert ask(plane).status_code == 200
    before_mb = resident_mb(plane.process.pid)
    callers = [socket.socket() for _ in range(42)]
    for caller in callers:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        caller.connect((host, int(port)))
    try:
        for place, caller in enumerate(callers[:40]):
            caller.sendall(whole[: 10 + 50 * place])
        for caller in callers[40:]:
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    caller.send(whole)
        with Behind(plane) as load:
            pass
        assert (load.statuses, load.broken, len(load.answers)) == ({200}, 0, 200)
        assert resident_mb(plane.process.pid) - before_mb < 100
    finally:
        for caller in callers:
            caller.close()
    assert ask(plane).status_code == 200
    assert plane.end() == 0


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
