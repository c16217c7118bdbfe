"""A real data plane under load, while plans change shares, challengers, champions and strategies many times."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from noria.adapters.journal_files import FileJournalReader
from noria.core.ids import digest_of
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Kill, Plan, Route, ServedVersion
from noria.stages.serving import killing, log
from noria.stages.serving.plans import publish

PROGRAM = Path(__file__).with_name("numbered_process.py")
SIGNATURE = Signature(
    inputs=(Field(name="tail", kind=Kind.TEXT), Field(name="distance", kind=Kind.FLOAT)),
    features=(Field(name="distance", kind=Kind.FLOAT),),
    task=Task.REGRESSION,
    key="tail",
)
GIVEN = ("champion", "challenger", "fallback", "asked")


@dataclass(frozen=True, slots=True)
class Stage:
    """A plan that was at work at some time between its publication and the moment that a later one was seen at work."""

    versions: frozenset[int]
    since: float


class House:
    """A home, its data plane, and all plans that were ever published there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "blobs").mkdir()
        self.stages: dict[int, Stage] = {}
        self.over: dict[int, float] = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def version(self, number: int) -> ServedVersion:
        content = json.dumps(number).encode()
        (self.home / "blobs" / digest_of(content)[7:]).write_bytes(content)
        return ServedVersion(number=number, artifact=digest_of(content), code="", signature=SIGNATURE)

    def publish(self, champion: int, challenger: int | None = None, *, before: int | None = None, **route) -> int:
        """Publish the next plan; returns its revision."""
        revision = len(self.stages) + 1
        planned = Route(
            deployment="late",
            champion=self.version(champion),
            challenger=None if challenger is None else self.version(challenger),
            before=None if before is None else self.version(before),
            **{"salt": f"rollout-{challenger}", "timeout_ms": 20_000.0, **route},
        )
        self.stages[revision] = Stage(frozenset({champion, *([challenger] if challenger else [])}), time.monotonic())
        publish(Plan(revision=revision, routes={"late": planned}), self.home / "plan" / "plan.json")
        return revision

    async def at_work(self, client: httpx.AsyncClient, revision: int) -> None:
        """Wait until the plan is at work; all earlier ones are over by then."""
        for _ in range(3_000):
            told = (await client.get("/plan")).json()
            if told["revision"] == revision:
                assert not told["problems"], told["problems"]
                for earlier in range(1, revision):
                    self.over.setdefault(earlier, time.monotonic())
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"plan {revision} never came to work")

    def in_force(self, begun: float, ended: float) -> set[int]:
        """Versions of all plans that may have been at work in that time."""
        stages = [stage for number, stage in self.stages.items() if stage.since <= ended and self.over.get(number, ended) >= begun]
        return {version for stage in stages for version in stage.versions}


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path)
    one.publish(1)
    process = subprocess.Popen([sys.executable, str(PROGRAM), "plane", str(tmp_path), str(one.port)])
    try:
        for _ in range(1_500):
            try:
                if httpx.get(f"{one.url}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, "the data plane ended"
            time.sleep(0.02)
        yield one
    finally:
        process.terminate()
        process.wait(30)


class Callers:
    """Callers in closed loops, who keep what they were answered, and when."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.stopped = False
        self.answers: dict[str, dict] = {}
        self.asked = 0

    async def call(self, client: httpx.AsyncClient, name: int) -> None:
        number = 0
        while not self.stopped:
            number += 1
            rows = [
                {"id": f"c{name}-{number}-{k}", "inputs": {"tail": f"N{number % 97}-{k}", "distance": 1.0}} for k in range(1 + number % 3)
            ]
            self.asked += len(rows)
            begun = time.monotonic()
            if len(rows) == 1:
                reply = await client.post("/predict/late", json=rows[0])
                answers = [reply.json()]
            else:
                reply = await client.post("/predict/late", json={"rows": rows})
                answers = reply.json().get("rows")
            assert reply.status_code == 200, reply.text
            in_force = self.house.in_force(begun, time.monotonic())
            assert [answer["id"] for answer in answers] == [row["id"] for row in rows]
            for answer in answers:
                assert answer["id"] not in self.answers, "answered twice"
                assert answer["prediction"] == answer["version"], "an answer of one version under the name of another"
                assert answer["version"] in in_force, (answer, in_force)
                self.answers[answer["id"]] = answer


async def changes(house: House, client: httpx.AsyncClient) -> None:
    """A year of rollouts in some seconds: every strategy, in step and in a hurry."""
    for champion, challenger in ((1, 2), (2, 3), (3, 4)):
        await house.at_work(client, house.publish(champion, challenger, shadow=True))
        for share in (0.1, 0.5, 0.9, 0.2):
            await house.at_work(client, house.publish(champion, challenger, shadow=True, challenger_share=share))
        await house.at_work(client, house.publish(champion, challenger, challenger_share=1.0, control=True))
        for hurry in range(30):
            house.publish(champion, challenger, shadow=True, challenger_share=(hurry % 5) / 4, sample=0.5 if hurry % 3 else 1.0)
            await asyncio.sleep(0.02)
        await house.at_work(client, house.publish(champion, challenger, challenger_share=1.0, control=True))
        await house.at_work(client, house.publish(challenger, before=champion))
    await house.at_work(client, house.publish(3, before=2))


def test_every_request_gets_one_answer_of_a_version_in_force_however_often_the_plan_changes(house) -> None:
    callers = Callers(house)

    async def whole() -> dict:
        async with httpx.AsyncClient(base_url=house.url, timeout=60) as client:
            calling = [asyncio.create_task(callers.call(client, name)) for name in range(6)]
            try:
                await changes(house, client)
            finally:
                callers.stopped = True
            await asyncio.gather(*calling)
            return (await client.get("/plan")).json()["counters"]

    counters = asyncio.run(whole())
    assert len(house.stages) > 100
    assert {answer["version"] for answer in callers.answers.values()} == {1, 2, 3, 4}
    assert len(callers.answers) == callers.asked == counters["requests"]
    assert counters["requests"] == counters["logged"] + counters["sampled_out"] + counters["dropped"]
    assert (counters["failed"], counters["dropped"], counters["fallbacks"]) == (0, 0, 0)
    log.compact(FileJournalReader(house.home / "journal"), house.home / "log", limit=10_000_000)
    logged = log.predictions(house.home / "log", "late", roles=GIVEN)
    assert logged.height == counters["logged"]
    assert logged["request_id"].n_unique() == logged.height
    for id, version, role, answer in logged.select("request_id", "version", "role", "answer").iter_rows():
        given = callers.answers[id]
        assert (version, role, answer) == (given["version"], given["role"], float(version))


def test_an_order_to_take_a_version_out_here_works_under_load_without_a_control_plane(house) -> None:
    callers = Callers(house)
    file = house.home / "dataplane" / killing.FILE

    async def versions(client: httpx.AsyncClient, wanted: list[int]) -> None:
        for _ in range(3_000):
            if (await client.get("/plan")).json()["versions"]["late"] == wanted:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{wanted} never came to work")

    async def whole() -> None:
        async with httpx.AsyncClient(base_url=house.url, timeout=60) as client:
            await house.at_work(client, house.publish(2, 3, before=1, challenger_share=0.5))
            house.stages = {number: replace(stage, versions=frozenset({1, 2, 3})) for number, stage in house.stages.items()}
            calling = [asyncio.create_task(callers.call(client, name)) for name in range(4)]
            (house.home / "plan" / "plan.json").unlink()
            killing.order(file, Kill(deployment="late", versions=(3,), by="ops", because="", at=""))
            await versions(client, [2])
            killing.order(file, Kill(deployment="late", versions=(2,), by="ops", because="", at=""))
            await versions(client, [1])
            told = (await client.get("/plan")).json()
            assert told["problems"] == {"killed": "v3, v2 of late was taken out here by ops"}
            killing.lift(file, "late")
            await versions(client, [2, 3])
            callers.stopped = True
            await asyncio.gather(*calling)

    asyncio.run(whole())
    assert len(callers.answers) == callers.asked


def test_a_caller_may_name_the_version_over_http(house) -> None:
    async def whole() -> None:
        async with httpx.AsyncClient(base_url=house.url, timeout=60) as client:
            await house.at_work(client, house.publish(1, 2, challenger_share=0.0))
            body = {"inputs": {"tail": "N1", "distance": 1.0}}
            for headers, version in (({"X-Noria-Version": "2"}, 2), ({"X-Noria-Role": "challenger"}, 2), ({"X-Noria-Version": "1"}, 1)):
                answer = (await client.post("/predict/late", json=body, headers=headers)).json()
                assert (answer["version"], answer["prediction"], answer["role"]) == (version, version, "asked")
            assert (await client.post("/predict/late", json=body)).json()["role"] == "champion"
            refused = await client.post("/predict/late", json=body, headers={"X-Noria-Version": "two"})
            assert (refused.status_code, list(refused.json()["error"]["fields"])) == (422, ["x-noria-version"])
            assert (await client.post("/predict/late", json=body, headers={"X-Noria-Version": "9"})).status_code == 404

    asyncio.run(whole())
