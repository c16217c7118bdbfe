"""The data plane as a real process: killed under load, with bad challengers, and without a control plane."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from noria.adapters.journal_files import FileJournalReader
from noria.core.ids import digest_of
from noria.core.traffic import Plan, Role, Route, ServedVersion
from noria.stages.serving import log
from noria.stages.serving.plans import publish

PROGRAM = Path(__file__).with_name("dataplane_process.py")
_spec = importlib.util.spec_from_file_location("dataplane_process", PROGRAM)
program = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(program)

ROW = {"tail": "N1", "carrier": "UA", "origin": "EWR", "dest": "IAH", "scheduled_at": "2013-04-01T05:00:00Z", "distance": 1400}


class Plane:
    """A data plane's home, and its process while it runs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "blobs").mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def version(self, number: int, fault: str = "", isolated: bool = False) -> ServedVersion:
        content = json.dumps([0.1, 0.0001, 0.01, 0.02, 0.001 * number]).encode()
        (self.home / "blobs" / digest_of(content)[7:]).write_bytes(content)
        return ServedVersion(
            number=number, artifact=digest_of(content), code="", signature=program.SIGNATURE, fault=fault, isolated=isolated
        )

    def publish(self, revision: int = 1, *, champion: int = 1, isolated: bool = False, fault: str = "", **route) -> None:
        challenger = {"challenger": self.version(2, fault)} if route else {}
        served = self.version(champion, isolated=isolated)
        plan = Plan(revision=revision, routes={"late": Route(deployment="late", champion=served, salt="s", **challenger, **route)})
        publish(plan, self.home / "plan" / "plan.json")

    def start(self, workers: int | str = 1, **options) -> None:
        (self.home / "options.json").write_text(json.dumps(options))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        role = ["plane", str(self.home), str(port)] if workers == 1 else ["workers", str(self.home), str(port), str(workers)]
        self.process = subprocess.Popen([sys.executable, str(PROGRAM), *role])
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, "the data plane ended"
            time.sleep(0.02)
        raise AssertionError("the data plane did not get ready")

    def end(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)

    def counters(self) -> dict[str, int]:
        counters = httpx.get(f"{self.url}/plan").json()["counters"]
        assert counters["requests"] == counters["logged"] + counters["sampled_out"] + counters["dropped"]
        return counters

    def logged(self):
        log.compact(FileJournalReader(self.home / "journal"), self.home / "log")
        return log.predictions(self.home / "log", "late"), log.outcomes(self.home / "log", "late")


@pytest.fixture
def plane(tmp_path):
    opened = Plane(tmp_path)
    yield opened
    if opened.process is not None and opened.process.poll() is None:
        opened.process.kill()
        opened.process.wait()


class Load:
    """Callers in closed loops that remember what was acknowledged to them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, dict] = {}
        self.outcomes: set[str] = set()
        self.statuses: set[int] = set()

    async def run(self, *, callers: int = 8, requests: int = 10_000, at: int = 0, doing=None) -> None:
        """Send `requests` in all; after `at` answers call `doing` once. Ends early when the server is gone."""
        self._numbers = iter(range(requests))
        async with httpx.AsyncClient(base_url=self.url, timeout=20, limits=httpx.Limits(max_connections=callers)) as client:
            tasks = [asyncio.ensure_future(self._call(client)) for _ in range(callers)]
            if doing is not None:
                while len(self.answers) < at:
                    await asyncio.sleep(0.002)
                doing()
            await asyncio.gather(*tasks)

    async def _call(self, client: httpx.AsyncClient) -> None:
        try:
            for number in self._numbers:
                request_id = f"r{number}"
                answer = await client.post("/predict/late", json={"id": request_id, "inputs": ROW | {"tail": f"N{number}"}})
                self.statuses.add(answer.status_code)
                if answer.status_code == 200:
                    self.answers[request_id] = answer.json()
                if number % 10 == 0:
                    told = await client.post("/feedback/late", json={"outcomes": [{"id": request_id, "value": 1.0}]})
                    if told.status_code == 200:
                        self.outcomes.add(request_id)
        except httpx.TransportError:
            return


def test_nothing_acknowledged_is_lost_when_the_process_is_killed_under_load(plane) -> None:
    plane.publish(shadow=True)
    plane.start()
    load = Load(plane.url)
    asyncio.run(load.run(at=400, doing=lambda: plane.process.kill()))
    assert plane.process.wait() == -signal.SIGKILL
    assert len(load.answers) >= 400
    assert len(load.outcomes) >= 20
    predictions, outcomes = plane.logged()
    champion = predictions.filter(role="champion")
    assert set(load.answers) <= set(champion["request_id"])
    assert load.outcomes <= set(outcomes["request_id"])
    answered = {name: answer["prediction"] for name, answer in load.answers.items()}
    assert answered == {n: p for n, p in champion.select("request_id", "answer").iter_rows() if n in answered}

    plane.start()
    again = Load(plane.url)
    asyncio.run(again.run(requests=20))
    assert plane.counters()["requests"] == 20
    assert plane.end() == 0
    assert len(list((plane.home / "journal").glob("*.journal"))) <= 2
    assert plane.logged()[0].height >= predictions.height


def test_a_crashing_challenger_never_fails_a_request(plane) -> None:
    plane.publish(fault="crash", challenger_share=0.5, timeout_ms=2_000.0)
    plane.start()
    load = Load(plane.url)
    asyncio.run(load.run(requests=300))
    assert load.statuses == {200}
    counters = plane.counters()
    assert (counters["requests"], counters["failed"], counters["dropped"]) == (300, 0, 0)
    assert counters["fallbacks"] > 0
    assert plane.end() == 0
    predictions, _ = plane.logged()
    roles = dict(predictions["role"].value_counts().iter_rows())
    assert roles["champion"] + roles["fallback"] + predictions.filter(role="challenger", error="").height == 300
    assert predictions.filter(role="challenger").filter(predictions.filter(role="challenger")["error"] != "").height == roles["fallback"]
    assert predictions.filter(role="fallback")["error"].str.starts_with("challenger v2: ").all()


def test_a_slow_challenger_costs_users_its_timeout_a_few_times_and_then_nothing(plane) -> None:
    plane.publish(fault="slow", challenger_share=0.5, timeout_ms=100.0)
    plane.start()
    load = Load(plane.url)
    asyncio.run(load.run(requests=200))
    assert load.statuses == {200}
    assert plane.counters()["failed"] == 0
    assert {answer["role"] for answer in load.answers.values()} == {"champion", "fallback"}
    assert plane.end() == 0
    errors = plane.logged()[0].filter(role="challenger")["error"].value_counts(name="n")
    assert dict(errors.iter_rows())["spared after repeated timeouts"] > 20


def test_a_wrong_challenger_answers_its_share_and_is_on_record(plane) -> None:
    plane.publish(fault="wrong", challenger_share=0.5, timeout_ms=5_000.0)
    plane.start()
    load = Load(plane.url)
    asyncio.run(load.run(requests=200))
    assert load.statuses == {200}
    given = {answer["role"]: answer["prediction"] for answer in load.answers.values()}
    assert set(given) == {"champion", "challenger"}
    assert given["champion"] > 0.5 > given["challenger"]
    assert plane.end() == 0
    assert set(plane.logged()[0]["role"]) == {Role.CHAMPION, Role.CHALLENGER}


def test_without_the_control_planes_files_it_starts_from_its_own(plane) -> None:
    plane.publish()
    plane.start()
    before = httpx.post(f"{plane.url}/predict/late", json={"inputs": ROW}).json()["prediction"]
    assert plane.end() == 0
    shutil.rmtree(plane.home / "blobs")
    shutil.rmtree(plane.home / "plan")
    plane.start()
    answer = httpx.post(f"{plane.url}/predict/late", json={"inputs": ROW})
    assert (answer.status_code, answer.json()["prediction"]) == (200, before)
    assert plane.end() == 0


def test_a_new_plan_comes_to_work_while_requests_flow(plane) -> None:
    plane.publish()
    plane.start()
    load = Load(plane.url)
    asyncio.run(load.run(requests=1_500, at=100, doing=lambda: plane.publish(2, challenger_share=1.0, timeout_ms=5_000.0)))
    assert load.statuses == {200}
    while httpx.get(f"{plane.url}/plan").json()["revision"] != 2:
        time.sleep(0.05)
    assert httpx.post(f"{plane.url}/predict/late", json={"inputs": ROW}).json()["version"] == 2
    plane.counters()
    assert plane.end() == 0
