"""The HTTP face: right statuses, errors as JSON, and never a traceback."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from noria.core.access import Admission, Doors, new_key
from noria.core.ids import digest_of
from noria.dataplane.guard import Guard
from noria.dataplane.http import create_house, create_router
from noria.dataplane.limits import RequestLimits
from noria.dataplane.listening import listen
from noria.dataplane.ports import listening

ROW = {"tail": "N1", "distance": 1_000.0}


class Answer:
    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


async def call(house, method: str, path: str, body: bytes | dict = b"", *, headers=()) -> Answer:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}") as client:
        answer = await client.request(method, path, content=data, headers=list(headers))
    return Answer(answer.status_code, {name.encode(): value.encode() for name, value in answer.headers.items()}, answer.content)


async def housed(scenario, house, office) -> None:
    """Run a scenario while the house listens."""
    serving = asyncio.create_task(listen(house, listening("127.0.0.1", 0, shared=False), drain_s=1.0))
    while not house.port:
        await asyncio.sleep(0)
    try:
        await scenario(house, office)
    finally:
        house.end()
        await serving


@pytest.fixture
def serving(at_work):
    """Run a scenario against the house of an open desk."""

    def run(scenario, *, guard: Guard | None = None, limits: RequestLimits | None = None, **plan):
        async def whole(office):
            await housed(scenario, create_house(office.desk, create_router(office.desk, guard=guard, limits=limits)), office)

        at_work(whole, **plan)

    return run


def test_a_prediction_is_answered(serving) -> None:
    async def scenario(house, office):
        answer = await call(house, "POST", "/predict/late", {"id": "mine", "inputs": ROW})
        assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/json")
        assert answer.json == {"id": "mine", "version": 1, "prediction": pytest.approx(0.11), "role": "champion", "label": "on-time"}
        assert int(answer.headers[b"content-length"]) == len(answer.body)

    serving(scenario)


def test_an_id_is_made_where_none_is_given(serving) -> None:
    async def scenario(house, office):
        answer = await call(house, "POST", "/predict/late", {"inputs": ROW})
        assert answer.json["id"].startswith("req_")
        assert office.journal.predictions()[0].request_id == answer.json["id"]

    serving(scenario)


def test_rows_are_answered_in_their_order(serving) -> None:
    async def scenario(house, office):
        rows = [{"id": f"r{n}", "inputs": ROW | {"distance": float(n)}} for n in range(5)]
        answer = await call(house, "POST", "/predict/late", {"rows": rows})
        assert [row["id"] for row in answer.json["rows"]] == [f"r{n}" for n in range(5)]

    serving(scenario)


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "fields"),
    [
        ("/predict/late", b"{", 400, "not-json", None),
        ("/predict/late", b'{"inputs": {"tail": "N1", "distance": NaN}}', 400, "not-json", None),
        ("/predict/late", b"[]", 422, "request-invalid", {"body"}),
        ("/predict/late", {}, 422, "request-invalid", {"inputs"}),
        ("/predict/late", {"inputs": []}, 422, "request-invalid", {"inputs"}),
        ("/predict/late", {"inputs": ROW, "input": 1}, 422, "request-invalid", {"input"}),
        ("/predict/late", {"id": 7, "inputs": ROW}, 422, "request-invalid", {"id"}),
        ("/predict/late", {"inputs": {"tail": "N1"}}, 422, "request-invalid", {"distance"}),
        ("/predict/late", {"rows": 1}, 422, "request-invalid", {"rows"}),
        ("/predict/late", {"rows": [{"inputs": ROW}, {"inputs": {}}]}, 422, "request-invalid", {"rows[1].tail", "rows[1].distance"}),
        ("/predict/late", {"rows": [{"inputs": ROW}] * 1_001}, 422, "request-invalid", {"rows"}),
        ("/predict/lat", {"inputs": ROW}, 404, "not-found", None),
        ("/predict/late", b" " * (RequestLimits().body_bytes + 1), 413, "too-large", None),
        ("/feedback/late", {}, 422, "request-invalid", {"outcomes"}),
        ("/feedback/late", {"outcomes": [1]}, 422, "request-invalid", {"outcomes[0].outcome"}),
        ("/feedback/late", {"outcomes": [{"id": "a", "value": 1}, {"id": "b"}]}, 422, "request-invalid", {"outcomes[1].value"}),
        ("/feedback/late", {"outcomes": [{"id": "a", "value": 1, "time": "noon"}]}, 422, "request-invalid", {"outcomes[0].time"}),
        ("/feedback/late", {"outcomes": [{"value": 1}]}, 422, "request-invalid", {"outcomes[0].id"}),
        ("/feedback/late", {"outcomes": [{"id": "a", "metrics": {"a b": 1}}]}, 422, "request-invalid", {"outcomes[0].metrics"}),
        ("/feedback/late", {"outcomes": [{"id": "a", "metrics": {}}]}, 422, "request-invalid", {"outcomes[0].value"}),
        ("/feedback/late", {"outcomes": [{"id": "a", "value": 1}] * 10_001}, 422, "request-invalid", {"outcomes"}),
        ("/feedback/lat", {"outcomes": [{"id": "a", "value": 1}]}, 404, "not-found", None),
        ("/nowhere", {}, 404, "not-found", None),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(serving, path, body, status, code, fields) -> None:
    async def scenario(house, office):
        answer = await call(house, "POST", path, body)
        assert (answer.status, answer.error["code"]) == (status, code)
        assert answer.error["message"]
        assert fields is None or set(answer.error["fields"]) == fields
        assert office.scorer.calls == []

    serving(scenario)


def test_the_known_deployments_are_named(serving) -> None:
    async def scenario(house, office):
        answer = await call(house, "POST", "/predict/latte", {"inputs": ROW})
        assert answer.error["message"] == "there is no deployment 'latte'; there are: late"

    serving(scenario)


def test_a_verb_that_a_page_does_not_know_is_refused(serving) -> None:
    async def scenario(house, office):
        assert (await call(house, "GET", "/predict/late")).status == 405
        assert (await call(house, "POST", "/plan")).status == 405

    serving(scenario)


def test_a_champion_that_fails_is_no_traceback(serving) -> None:
    async def scenario(house, office):
        answer = await call(house, "POST", "/predict/late", {"inputs": ROW | {"distance": 666.0}})
        assert (answer.status, answer.error["code"]) == (503, "unavailable")
        assert b"Traceback" not in answer.body

    serving(scenario)


def test_a_fault_of_the_server_itself_is_no_traceback(serving, monkeypatch, caplog) -> None:
    async def scenario(house, office):
        monkeypatch.setattr(office.desk, "predict", None)
        answer = await call(house, "POST", "/predict/late?looked=closely", {"inputs": ROW})
        assert answer.status == 500
        assert b"NoneType" not in answer.body
        assert "NoneType" in caplog.text

    serving(scenario)


def test_outcomes_are_accepted_with_their_own_time_or_now(serving) -> None:
    async def scenario(house, office):
        told = [{"id": "a", "value": 1}, {"id": "b", "value": "late", "time": "2026-03-02T00:00:00Z"}]
        answer = await call(house, "POST", "/feedback/late", {"outcomes": told})
        assert (answer.status, answer.json) == (200, {"accepted": 2})
        (outcomes,) = office.journal.outcomes()
        assert outcomes.times == [1_772_323_200_000, 1_772_409_600_000]

    serving(scenario)


def test_with_a_token_only_health_is_open(serving) -> None:
    async def scenario(house, office):
        body = {"inputs": ROW}
        assert (await call(house, "GET", "/health/live")).status == 200
        assert (await call(house, "POST", "/predict/late", body)).status == 401
        assert (await call(house, "POST", "/predict/late", body, headers=[(b"authorization", b"Bearer wrong")])).status == 401
        assert (await call(house, "POST", "/predict/late", body, headers=[(b"authorization", b"Bearer secret")])).status == 200

    serving(scenario, guard=Guard(token="secret"))


def test_a_deployments_key_opens_it_also_on_the_short_way(serving) -> None:
    (key, id), guard = new_key(), Guard(token="home", everywhere=False)
    guard.doors = Doors(deployments={"late": {id: Admission(digest=digest_of(key.encode()))}})

    async def scenario(house, office):
        for headers, status in (([], 401), ([(b"x-api-key", b"nk_a_b")], 401), ([(b"x-api-key", key.encode())], 200)):
            assert (await call(house, "POST", "/predict/late", {"inputs": ROW}, headers=headers)).status == status
        assert len(office.journal.predictions()) == 1

    serving(scenario, guard=guard)


def test_ready_waits_for_the_first_plan(office) -> None:
    async def scenario(house, office):
        assert (await call(house, "GET", "/health/live")).status == 200
        assert (await call(house, "GET", "/health/ready")).status == 503
        assert (await call(house, "POST", "/predict/late", {"inputs": ROW})).status == 503
        await office.desk.apply(office.plan())
        assert (await call(house, "GET", "/health/ready")).status == 200

    async def whole():
        office.open()
        await housed(scenario, create_house(office.desk, create_router(office.desk)), office)
        await office.desk.close()

    asyncio.run(whole())


def test_the_plan_page_shows_what_is_at_work(serving) -> None:
    async def scenario(house, office):
        page = (await call(house, "GET", "/plan")).json
        assert (page["revision"], page["versions"], page["problems"]) == (1, {"late": [1, 2]}, {})

    serving(scenario, challenger=2)


def test_metrics_add_up(serving) -> None:
    async def scenario(house, office):
        for distance in (1.0, 2.0):
            await call(house, "POST", "/predict/late", {"inputs": ROW | {"distance": distance}})
        text = (await call(house, "GET", "/metrics")).body.decode()
        assert "noria_rows_requests_total 2.0" in text
        assert 'noria_predictions_total{deployment="late",role="champion",version="1"} 2.0' in text
        assert 'noria_prediction_latency_seconds_bucket{deployment="late",le="+Inf",role="champion",version="1"} 2.0' in text
        assert "noria_plan_revision 1.0" in text

    serving(scenario)
