"""The background form: accepted at once, computed beside others' requests, fetched when it is there."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import orjson
import pytest

from noria.core.errors import Unavailable
from noria.dataplane.answers import slices
from noria.dataplane.answers.files import AnswerFiles, Bounds
from noria.dataplane.answers.jobs import Jobs
from noria.dataplane.exchange import Call
from noria.dataplane.http import create_router

ROW = {"tail": "N1", "distance": 1_000.0}


class Caller:
    def __init__(self, router) -> None:
        self._router = router

    async def __call__(self, method: str, path: str, body=b"", **headers: str):
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        reply = await self._router.answer(Call(method=method, path=path, query=query, headers=headers, body=data))
        return reply.status, orjson.loads(reply.body), dict(reply.headers)

    async def fetched(self, where: str):
        while True:
            status, body, _ = await self("GET", where)
            if status != 202:
                return status, body
            await asyncio.sleep(0.005)


@pytest.fixture
def waiting(at_work, tmp_path):
    """Run a scenario with a caller, and the jobs at work."""

    def run(scenario, *, working: bool = True, bounds: Bounds | None = None, **plan):
        async def whole(office):
            jobs = Jobs(office.desk, AnswerFiles(tmp_path, bounds=bounds), office.clock)
            async with jobs.at_work() if working else nullcontext():
                await scenario(Caller(create_router(office.desk, jobs=jobs)), office)

        at_work(whole, **plan)

    return run


@pytest.mark.parametrize(("path", "headers"), [("?wait=no", {}), ("", {"prefer": "respond-async, wait=10"})])
@pytest.mark.parametrize("body", [{"id": "mine", "inputs": ROW}, {"rows": [{"id": f"r{n}", "inputs": ROW} for n in range(3)]}])
def test_the_answer_is_the_one_of_the_waiting_form(waiting, path, headers, body) -> None:
    async def scenario(call, office):
        status, told, said = await call("POST", f"/predict/late{path}", body, **headers)
        assert status == 202
        assert said["location"] == f"/answers/{told['id']}"
        assert said["retry-after"] == "1"
        assert await call.fetched(said["location"]) == (await call("POST", "/predict/late", body))[:2]

    waiting(scenario)


def test_rows_without_an_id_are_named_after_the_request_so_that_a_second_run_predicts_nothing_new(waiting) -> None:
    async def scenario(call, office):
        _, told, said = await call("POST", "/predict/late?wait=no", {"rows": [{"inputs": ROW}] * 2})
        _, body = await call.fetched(said["location"])
        assert [row["id"] for row in body["rows"]] == [f"{told['id']}-0", f"{told['id']}-1"]
        _, told, said = await call("POST", "/predict/late?wait=no", {"inputs": ROW})
        assert (await call.fetched(said["location"]))[1]["id"] == told["id"]

    waiting(scenario)


def test_many_rows_are_computed_in_slices_and_others_are_answered_between_them(waiting, monkeypatch) -> None:
    monkeypatch.setattr(slices, "MOST_ROWS", 100)

    async def scenario(call, office):
        rows = [{"inputs": ROW | {"distance": 1_000.0 + n}} for n in range(2_000)]
        _, _, said = await call("POST", "/predict/late?wait=no", {"rows": rows})
        between = 0
        while (await call("GET", said["location"]))[0] == 202:
            assert (await call("POST", "/predict/late", {"inputs": ROW}))[0] == 200
            between += 1
        assert between > 3
        status, body = await call.fetched(said["location"])
        assert status == 200
        assert [row["prediction"] for row in body["rows"][:3]] == [pytest.approx(0.11 + n / 10_000) for n in range(3)]
        assert len(body["rows"]) == 2_000
        assert max(office.scorer.calls) <= 101

    waiting(scenario)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "not-json"),
        (b"[]", 422, "request-invalid"),
        ({}, 422, "request-invalid"),
        ({"rows": 1}, 422, "request-invalid"),
        ({"rows": [], "id": "a"}, 422, "request-invalid"),
        ({"rows": [0] * 100_001}, 422, "request-invalid"),
    ],
)
def test_what_is_no_request_is_refused_at_once(waiting, body, status, code) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/predict/late?wait=no", body)
        assert (answer[0], answer[1]["error"]["code"]) == (status, code)
        assert (await call("POST", "/predict/latte?wait=no", {"inputs": ROW}))[0] == 404

    waiting(scenario)


@pytest.mark.parametrize(
    ("row", "field"),
    [({"inputs": {"tail": "N1"}}, "rows[700].distance"), ({"id": 7, "inputs": ROW}, "rows[700].id"), (3, "rows[700].inputs")],
)
def test_a_row_that_does_not_fit_is_named_and_none_is_computed(waiting, row, field) -> None:
    async def scenario(call, office):
        _, _, said = await call("POST", "/predict/late?wait=no", {"rows": [*[{"inputs": ROW}] * 700, row]})
        status, body = await call.fetched(said["location"])
        assert (status, list(body["error"]["fields"])) == (422, [field])
        assert office.scorer.calls == []

    waiting(scenario)


def test_a_version_that_cannot_answer_is_asked_again_before_the_failure_is_told(waiting, monkeypatch) -> None:
    monkeypatch.setattr(slices, "AGAIN_S", (0.0, 0.0))

    async def scenario(call, office):
        predict, failures = office.desk.predict, [1, 2]

        async def failing(*asked):
            if failures:
                failures.pop()
                raise Unavailable("not now")
            return await predict(*asked)

        monkeypatch.setattr(office.desk, "predict", failing)
        _, _, said = await call("POST", "/predict/late?wait=no", {"rows": [{"inputs": ROW}] * 3})
        assert (await call.fetched(said["location"]))[0] == 200
        _, _, said = await call("POST", "/predict/late?wait=no", {"inputs": ROW | {"distance": 666.0}})
        status, body = await call.fetched(said["location"])
        assert (status, body["error"]["code"]) == (503, "unavailable")

    waiting(scenario)


def test_a_request_that_is_not_begun_can_be_cancelled(waiting) -> None:
    async def scenario(call, office):
        _, told, said = await call("POST", "/predict/late?wait=no", {"inputs": ROW})
        assert (await call("GET", said["location"]))[1] == {"id": told["id"], "status": "waiting", "rows": 1}
        assert (await call("DELETE", said["location"]))[:2] == (200, {"id": told["id"], "status": "gone"})
        assert (await call("GET", said["location"]))[0] == 404
        assert (await call("DELETE", said["location"]))[0] == 404

    waiting(scenario, working=False)


def test_a_request_under_way_stops_when_it_is_cancelled(waiting, monkeypatch) -> None:
    monkeypatch.setattr(slices, "MOST_ROWS", 10)

    async def scenario(call, office):
        _, _, said = await call("POST", "/predict/late?wait=no", {"rows": [{"inputs": ROW}] * 5_000})
        while (await call("GET", said["location"]))[1].get("done", 0) == 0:
            await asyncio.sleep(0)
        await call("DELETE", said["location"])
        _, _, after = await call("POST", "/predict/late?wait=no", {"inputs": ROW})
        assert (await call.fetched(after["location"]))[0] == 200
        await asyncio.sleep(0.05)
        computed = sum(office.scorer.calls)
        await asyncio.sleep(0.05)
        assert sum(office.scorer.calls) == computed < 5_001

    waiting(scenario)


def test_what_nobody_has_room_for_is_refused(waiting) -> None:
    async def scenario(call, office):
        for _ in range(2):
            assert (await call("POST", "/predict/late?wait=no", {"inputs": ROW}))[0] == 202
        status, body, _ = await call("POST", "/predict/late?wait=no", {"inputs": ROW})
        assert (status, body["error"]["code"]) == (429, "too-many-requests")

    waiting(scenario, working=False, bounds=Bounds(count=2))


def test_a_disk_that_takes_no_answer_is_a_problem_until_it_does(waiting, monkeypatch) -> None:
    monkeypatch.setattr("noria.dataplane.answers.jobs._AGAIN_S", 0.01)
    finish, failing = AnswerFiles.finish, [OSError("no space left on device")]

    def refusing(files, *given):
        if failing:
            raise failing[0]
        finish(files, *given)

    monkeypatch.setattr(AnswerFiles, "finish", refusing)

    async def scenario(call, office):
        _, _, said = await call("POST", "/predict/late?wait=no", {"inputs": ROW})
        while "answers" not in office.desk.problems():
            await asyncio.sleep(0.005)
        failing.clear()
        assert (await call.fetched(said["location"]))[0] == 200
        while "answers" in office.desk.problems():
            await asyncio.sleep(0.005)

    waiting(scenario)


def test_a_fault_of_the_server_itself_is_no_traceback(waiting, monkeypatch, caplog) -> None:
    async def scenario(call, office):
        monkeypatch.setattr(office.desk, "predict", None)
        _, _, said = await call("POST", "/predict/late?wait=no", {"inputs": ROW})
        status, body = await call.fetched(said["location"])
        assert (status, "NoneType" in str(body), "NoneType" in caplog.text) == (500, False, True)

    waiting(scenario)
