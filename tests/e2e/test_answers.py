"""Requests in the background, accepted by a real process that is killed before it has answered them."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import httpx
import pytest

_spec = importlib.util.spec_from_file_location("test_dataplane", Path(__file__).with_name("test_dataplane.py"))
planes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(planes)


@pytest.fixture
def plane(tmp_path):
    opened = planes.Plane(tmp_path)
    opened.publish()
    opened.start()
    yield opened
    if opened.process.poll() is None:
        opened.process.kill()
        opened.process.wait()


def fetched(url: str) -> httpx.Response:
    for _ in range(1_000):
        answer = httpx.get(url)
        if answer.status_code != 202:
            return answer
        time.sleep(0.02)
    raise AssertionError("no answer came")


def test_what_was_accepted_is_answered_after_the_process_was_killed(plane) -> None:
    rows = {"rows": [{"inputs": planes.ROW}] * 3_000}
    accepted = [httpx.post(f"{plane.url}/predict/late?wait=no", json=rows) for _ in range(5)]
    plane.process.kill()
    plane.process.wait()
    assert {answer.status_code for answer in accepted} == {202}
    plane.start()
    for answer in accepted:
        body = fetched(f"{plane.url}{answer.headers['location']}").json()
        assert [row["id"] for row in body["rows"]] == [f"{answer.json()['id']}-{place}" for place in range(3_000)]
    logged, _ = plane.logged()
    assert logged.height == 15_000
    assert plane.end() == 0


def test_an_answer_is_there_after_a_restart_until_it_is_deleted(plane) -> None:
    where = httpx.post(f"{plane.url}/predict/late", json={"inputs": planes.ROW}, headers={"Prefer": "respond-async"}).headers["location"]
    before = fetched(f"{plane.url}{where}").json()
    assert plane.end() == 0
    plane.start()
    assert httpx.get(f"{plane.url}{where}").json() == before
    assert httpx.delete(f"{plane.url}{where}").status_code == 200
    assert httpx.get(f"{plane.url}{where}").status_code == 404
    assert plane.end() == 0


def test_more_than_a_usual_body_is_taken_where_nobody_waits_and_others_are_answered_meanwhile(plane) -> None:
    rows = {"rows": [{"inputs": planes.ROW}] * 20_000}
    accepted = httpx.post(f"{plane.url}/predict/late?wait=no", json=rows, timeout=60)
    assert accepted.status_code == 202
    assert httpx.post(f"{plane.url}/predict/late", json=rows, timeout=60).status_code == 413
    where = f"{plane.url}{accepted.headers['location']}"
    while (answer := httpx.get(where)).status_code == 202:
        assert httpx.post(f"{plane.url}/predict/late", json={"inputs": planes.ROW}).status_code == 200
        time.sleep(0.05)
    assert len(answer.json()["rows"]) == 20_000
    assert plane.end() == 0
