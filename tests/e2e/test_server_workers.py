"""A control plane of several processes, and several control planes on one database, as real processes that are killed outright."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from noria.app.settings import read
from noria.app.wiring import open_records
from noria.core.notices import Happening, Notice
from noria.ledger.documents import Documents

PATIENCE_S = 60
PIDFD_GETFD = 438
LISTENS, CONNECTED = "0A", "01"

NOTICE = Notice(
    id="n1",
    loop="",
    severity="notice",
    about=Happening.TEST,
    title="t",
    text="t",
    dedupe="n1",
    at=datetime(2026, 1, 1, tzinfo=UTC),
    drill=True,
)


def until(true, what: str):
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            if found := true():
                return found
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.03)


class Plane:
    """A home and its control plane."""

    def __init__(self, folder: Path, **settings: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, serve = free.getsockname()[1], other.getsockname()[1]
        self.home = folder / ".noria"
        self.home.mkdir(parents=True)
        (self.home / "settings.json").write_text(json.dumps({"port": self.port, "serve_port": serve, **settings}))
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NORIA_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "noria.server", str(self.home)], stdout=log, stderr=log, env=environment)
        until(lambda: httpx.get(f"{self.url}/version").status_code == 200, "the server to answer")

    def end(self, sign: int = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.process.wait(timeout=PATIENCE_S)

    def beside(self) -> list[int]:
        """The processes beside the first, once they accept callers."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(one) for thread in threads for one in thread.read_text().split()]
        return sorted({pid for pid, _ in owners(self.port, LISTENS, pids)})

    def free(self) -> bool:
        """Whether nobody listens on its port any more."""
        return not inodes_of(self.port, LISTENS)

    def post(self, path: str, body: object, client: httpx.Client | None = None) -> dict:
        answer = (client or httpx).post(f"{self.url}/api/2.0/mlflow/{path}", json=body, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self) -> str:
        return self.post("runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]

    def points(self, run: str) -> Counter[float]:
        answer = httpx.get(f"{self.url}/api/2.0/mlflow/metrics/get-history", params={"run_id": run, "metric_key": "loss"})
        return Counter(point["value"] for point in answer.json().get("metrics", []))


def inodes_of(port: int, state: str) -> set[str]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {fields[9] for fields in lines if fields[1].endswith(f":{port:04X}") and fields[3] == state}


def owners(port: int, state: str, pids: list[int]) -> set[tuple[int, int]]:
    """(process, descriptor) of the sockets of a server's port that these processes hold."""
    inodes, found = inodes_of(port, state), set()
    for pid in pids:
        for place in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(place))
                if match and match[1] in inodes:
                    found.add((pid, int(place.name)))
    return found


def option_of(pid: int, descriptor: int) -> int:
    """TCP_NODELAY of another process's socket."""
    holder = os.pidfd_open(pid)
    try:
        copied = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, holder, descriptor, 0)
        if copied < 0:
            pytest.skip(f"this machine does not show other processes' sockets: {os.strerror(ctypes.get_errno())}")
        with socket.socket(fileno=copied) as seen:
            return seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        os.close(holder)


def callers(plane: Plane, wanted: list[int], clients: list[httpx.Client]) -> dict[int, httpx.Client]:
    """A kept connection to each process: connections are made until each has one."""
    found: dict[int, httpx.Client] = {}

    def more() -> bool:
        before = owners(plane.port, CONNECTED, wanted)
        client = httpx.Client()
        clients.append(client)
        assert client.get(f"{plane.url}/version").status_code == 200
        for pid, _ in owners(plane.port, CONNECTED, wanted) - before:
            found.setdefault(pid, client)
        return set(wanted) == found.keys()

    until(more, "each process to answer")
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def plane(request, tmp_path):
    records = "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres").database(tmp_path)
    made = Plane(tmp_path, records=records, server_workers="2")
    made.start()
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)
    until(made.free, "the port to be let go")


def test_both_answer_at_once_and_what_either_was_told_is_there(plane) -> None:
    until(plane.beside, "the second process")
    pids = [plane.process.pid, *plane.beside()]
    run, clients = plane.run(), []
    try:
        each = callers(plane, pids, clients)
        for pid, descriptor in owners(plane.port, CONNECTED, pids):
            assert option_of(pid, descriptor) != 0, "an answer's body waits for the word that its head has come"

        def tell(client: httpx.Client, first: int) -> None:
            for n in range(first, first + 100):
                plane.post("runs/log-metric", {"run_id": run, "key": "loss", "value": n, "timestamp": n, "step": n}, client)

        telling = [threading.Thread(target=tell, args=(client, place * 100)) for place, client in enumerate(each.values())]
        for one in telling:
            one.start()
        for one in telling:
            one.join()
        assert plane.points(run) == Counter(map(float, range(100 * len(each))))
        for client in each.values():
            answer = client.get(f"{plane.url}/api/2.0/mlflow/runs/get", params={"run_id": run}).json()
            assert answer["run"]["data"]["metrics"][0]["value"] >= 0
            assert client.get(f"{plane.url}/api/v1/loops").status_code == 200
            assert client.get(f"{plane.url}/", follow_redirects=True).status_code == 200
    finally:
        for client in clients:
            client.close()
    assert plane.end() == 0
    assert plane.free()
    assert "Traceback" not in plane.log.read_text()


def test_one_that_is_killed_loses_nothing_and_comes_back_and_all_end_with_the_first(plane) -> None:
    victim = until(plane.beside, "the second process")[0]
    run, kept, over = plane.run(), Counter(), threading.Event()
    lock = threading.Lock()

    def tell(first: int) -> None:
        n, client = first, httpx.Client()
        while not over.is_set():
            body = {"run_id": run, "key": "loss", "value": n, "timestamp": n, "step": n}
            try:
                plane.post("runs/log-metric", body, client)
            except httpx.TransportError:
                client.close()
                client = httpx.Client()
            else:
                with lock:
                    kept[float(n)] += 1
            n += 1
        client.close()

    telling = [threading.Thread(target=tell, args=(place * 1_000_000,)) for place in range(4)]
    for one in telling:
        one.start()
    until(lambda: len(kept) > 100, "points")
    os.kill(victim, signal.SIGKILL)
    another = until(lambda: [pid for pid in plane.beside() if pid != victim], "another in its place")[0]
    os.kill(plane.process.pid, signal.SIGKILL)
    plane.process.wait()
    until(plane.free, "the port to be let go")
    until(lambda: not Path(f"/proc/{another}/exe").exists(), "the other one to end too")
    plane.start()
    over.set()
    for one in telling:
        one.join()
    there = plane.points(run)
    assert kept - there == Counter(), "what was acknowledged is not there"


def test_two_servers_on_one_database_answer_as_one_and_one_turns_the_wheel(tmp_path, postgres) -> None:
    records = postgres.database(tmp_path)
    planes = [Plane(tmp_path / name, records=records, lease_s=2.0) for name in ("east", "west")]
    try:
        for one in planes:
            one.start()
        east, west = planes
        run = east.run()
        for n in range(50):
            planes[n % 2].post("runs/log-metric", {"run_id": run, "key": "loss", "value": n, "timestamp": n, "step": n})
        assert east.points(run) == west.points(run) == Counter(map(float, range(50)))
        west.post("registered-models/create", {"name": "shared"})
        said = httpx.get(f"{east.url}/api/2.0/mlflow/registered-models/get", params={"name": "shared"}).json()
        assert said["registered_model"]["name"] == "shared"
        store = open_records(read(east.home, environ={}))
        documents = Documents(store)
        documents.put(NOTICE, expect=0)  # the wheel turns only where there is something to turn

        def keeper() -> int:
            record = documents.records.get("duty", "keeper")
            return int(json.loads(record.body)["owner"].split(":")[1]) if record else 0

        pids = {one.process.pid: one for one in planes}
        first = until(keeper, "one of them to take the duty")
        pids.pop(first).end(signal.SIGKILL)
        (second,) = pids
        until(lambda: keeper() == second, "the other one to take it over")
        store.close()
        west = pids[second]
        assert west.points(run).total() == 50
    finally:
        for one in planes:
            if one.process is not None and one.process.poll() is None:
                one.end()
