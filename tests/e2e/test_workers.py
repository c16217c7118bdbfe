"""Workers that share a port, as real processes: killed under load, counted together, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

_spec = importlib.util.spec_from_file_location("test_dataplane", Path(__file__).with_name("test_dataplane.py"))
planes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(planes)


@pytest.fixture
def plane(tmp_path) -> Iterator[planes.Plane]:
    opened = planes.Plane(tmp_path)
    yield opened
    if opened.process is not None and opened.process.poll() is None:
        opened.process.kill()
        opened.process.wait()


class Patient(planes.Load):
    """Callers that connect again when a connection breaks, and count how often that was."""

    broken = 0
    enough = False

    async def _call(self, client: httpx.AsyncClient) -> None:
        for number in self._numbers:
            if self.enough:
                return
            request_id = f"r{number}"
            try:
                answer = await client.post("/predict/late", json={"id": request_id, "inputs": planes.ROW | {"tail": f"N{number}"}})
            except httpx.TransportError:
                self.broken += 1
                continue
            self.statuses.add(answer.status_code)
            if answer.status_code == 200:
                self.answers[request_id] = answer.json()


def workers_of(plane: planes.Plane) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{plane.process.pid}/task/{plane.process.pid}/children").read_text().split()]


def told(plane: planes.Plane) -> dict:
    return httpx.get(f"{plane.url}/plan", timeout=20).json()


def until(condition, *, patience_s: float = 90.0):
    deadline_s = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(httpx.TransportError):
            if (found := condition()) or time.monotonic() > deadline_s:
                assert found
                return found
        time.sleep(0.02)


def test_a_worker_killed_under_load_costs_connections_and_no_answer_and_comes_back(plane) -> None:
    plane.publish()
    plane.start(workers=2)
    until(lambda: told(plane)["workers"] == 2)
    victim = workers_of(plane)[0]
    load = Patient(plane.url)
    asyncio.run(load.run(callers=8, requests=800, at=150, doing=lambda: os.kill(victim, signal.SIGKILL)))
    assert load.statuses == {200}
    assert load.broken <= 8
    assert len(load.answers) + load.broken == 800
    until(lambda: told(plane)["workers"] == 2 and told(plane)["problems"] == {})
    assert victim not in workers_of(plane)
    counted = [plane.counters()["requests"] for _ in range(20)]
    assert counted == sorted(counted)
    assert 200 < counted[-1] <= 800
    metrics = httpx.get(f"{plane.url}/metrics").text
    assert re.search(r'noria_worker_restarts_total\{why="killed"\} 1\.0', metrics)
    assert "noria_workers 2.0" in metrics
    assert plane.end() == 0
    predictions, _ = plane.logged()
    assert set(load.answers) <= set(predictions["request_id"])
    assert predictions["request_id"].is_unique().all()


def test_a_new_plan_reaches_all_workers_and_numbers_are_whole_whoever_is_asked(plane) -> None:
    plane.publish()
    plane.start(workers=2)
    until(lambda: told(plane)["workers"] == 2)
    load = Patient(plane.url)
    asyncio.run(load.run(requests=300, at=60, doing=lambda: plane.publish(2, champion=3)))
    assert (load.statuses, load.broken) == ({200}, 0)
    until(lambda: told(plane)["revision"] == 2)
    assert {httpx.post(f"{plane.url}/predict/late", json={"inputs": planes.ROW}).json()["version"] for _ in range(30)} == {3}
    assert {plane.counters()["requests"] for _ in range(10)} == {330}
    children = workers_of(plane)
    assert plane.end() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert plane.logged()[0].height == 330


def test_workers_do_not_outlive_their_parent(plane) -> None:
    plane.publish()
    plane.start(workers=2)
    until(lambda: told(plane)["workers"] == 2)
    children = workers_of(plane)
    plane.process.kill()
    plane.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_their_number_follows_the_load_and_no_answer_is_lost_on_the_way(plane) -> None:
    plane.publish()
    plane.start(workers="1-2")
    until(lambda: told(plane)["workers"] == 1)
    (first,) = workers_of(plane)
    load = Patient(plane.url)

    async def under_load():
        calling = asyncio.create_task(load.run(callers=8, requests=1_000_000))
        await asyncio.to_thread(until, lambda: told(plane)["workers"] == 2 and not told(plane)["problems"])
        (second,) = set(workers_of(plane)) - {first}
        begun = ticks_of(second)
        await asyncio.to_thread(until, lambda: ticks_of(second) > begun + 20)
        load.enough = True
        await calling
        return second

    second = asyncio.run(under_load())
    assert (load.statuses, load.broken) == ({200}, 0)
    few = Patient(plane.url)

    async def slowly():
        async with httpx.AsyncClient(base_url=plane.url) as client:
            while Path(f"/proc/{second}").exists():
                few.statuses.add((await client.post("/predict/late", json={"inputs": planes.ROW})).status_code)
                await asyncio.sleep(0.2)

    asyncio.run(asyncio.wait_for(slowly(), 120))
    assert few.statuses == {200}
    until(lambda: told(plane)["workers"] == 1)
    assert workers_of(plane) == [first]
    counted = plane.counters()["requests"]
    assert counted >= len(load.answers)
    assert told(plane)["problems"] == {} and "noria_worker_restarts_total{" not in httpx.get(f"{plane.url}/metrics").text
    assert plane.end() == 0
    assert set(load.answers) <= set(plane.logged()[0]["request_id"])


def ticks_of(pid: int) -> int:
    """What a process has used of the CPU, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
