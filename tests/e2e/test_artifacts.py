"""Artifacts through a control plane that is a real process: in constant memory, over a kill, and gone after a collection."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from noria.app.collecting import collect
from noria.app.settings import Settings, keep
from noria.app.wiring import build

_spec = importlib.util.spec_from_file_location("noria_tests_house", Path(__file__).parent / "house.py")
assert _spec is not None and _spec.loader is not None
houses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(houses)

ART = "/api/2.0/mlflow-artifacts/"
MB = 1 << 20


class Plane:
    """A home and its control plane."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = keep(Settings(home=str(home), port=houses.free_port(), serve_port=houses.free_port()))
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.settings.port}", timeout=120)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "noria.server", str(self.home)])
        houses.wait_until(self.answers, "the control plane to listen")

    def answers(self) -> bool:
        try:
            return self.http.get("/version").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def peak_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def post(self, path: str, /, **body: object) -> dict[str, object]:
        return self.http.post(path, json=body).raise_for_status().json()

    def run(self) -> tuple[str, str]:
        """A new run's id and folder."""
        run = self.post("/api/2.0/mlflow/runs/create", experiment_id="0")["run"]
        return run["info"]["run_id"], run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")


@pytest.fixture
def plane(tmp_path):
    plane = Plane(tmp_path / "home")
    yield plane
    plane.http.close()
    plane.kill()


def test_a_file_of_any_size_goes_up_and_down_in_constant_memory(plane):
    _, root = plane.run()
    block, count = os.urandom(MB), 240
    path = f"{ART}artifacts/{root}/large.bin"
    plane.http.put(f"{ART}artifacts/{root}/small", content=block).raise_for_status()
    before = plane.peak_mb()
    plane.http.put(path, content=(block for _ in range(count))).raise_for_status()
    with plane.http.stream("GET", path) as answer:
        assert int(answer.headers["content-length"]) == count * MB
        assert sum(len(piece) for piece in answer.iter_raw(MB)) == count * MB
    assert plane.peak_mb() - before < 60


def test_parts_that_came_before_a_kill_need_not_come_again(plane):
    _, root = plane.run()
    parts = [bytes([n]) * MB for n in range(4)] + [b"end"]
    created = plane.post(f"{ART}mpu/create/{root}", path="x.bin", num_parts=5)
    urls = [part["url"] for part in created["credentials"]]
    for n in (3, 0):
        plane.http.put(urls[n], content=parts[n]).raise_for_status()
    plane.kill()
    plane.start()
    come = plane.http.get(f"{ART}mpu/part/{created['upload_id']}").json()["parts"]
    assert [part["part_number"] for part in come] == [1, 4]
    for n in (4, 1, 2):
        plane.http.put(urls[n], content=parts[n]).raise_for_status()
    plane.post(f"{ART}mpu/complete/{root}", path="x.bin", upload_id=created["upload_id"], parts=[])
    assert plane.http.get(f"{ART}artifacts/{root}/x.bin").content == b"".join(parts)


def test_a_deleted_run_can_be_restored_with_its_files_until_it_is_collected(plane):
    id, root = plane.run()
    path = f"{ART}artifacts/{root}/a.txt"
    plane.http.put(path, content=b"water").raise_for_status()
    runs = "/api/2.0/mlflow/runs/"
    plane.post(f"{runs}delete", run_id=id)
    gc = [sys.executable, "-m", "noria.cli.main", "gc", "--home", str(plane.home), "--json", "--grace", "0"]
    assert json.loads(subprocess.check_output(gc))["blobs"] == 0
    plane.post(f"{runs}restore", run_id=id)
    assert plane.http.get(path).content == b"water"
    plane.post(f"{runs}delete", run_id=id)
    world = build(plane.settings)
    freed = collect(world, grace=timedelta(), older_than=timedelta(), by="ada")
    assert [(one.kind, one.blobs, one.size_bytes) for one in freed.kinds] == [("artifacts of what was deleted", 1, 5)]
    assert plane.http.get(path).status_code == plane.http.get(f"{runs}get", params={"run_id": id}).status_code == 404
