"""Answers in pieces from a real process over real connections."""

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


def begun(plane, id: str, pieces: int):
    asked = {"id": id, "inputs": {**planes.ROW, "seats": pieces}}
    return httpx.stream("POST", f"{plane.url}/predict/late/stream", json=asked, timeout=60)


def test_a_whole_answer_and_one_whose_caller_leaves(plane) -> None:
    with begun(plane, "whole", 1_000) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[:1_000] == [f"data: {number}" for number in range(1_000)]
    assert lines[1_000] == "event: end"
    with begun(plane, "left", 10**9) as answer:
        assert next(answer.iter_lines()) == "data: 0"
    for _ in range(1_000):
        if plane.counters()["requests"] == 2:
            break
        time.sleep(0.02)
    assert plane.end() == 0
    told = {row["request_id"]: row for row in plane.logged()[0].to_dicts()}
    assert (told["whole"]["f:pieces"], told["whole"]["f:complete"]) == (1_000, True)
    assert told["left"]["f:complete"] is False
    assert 0 < told["left"]["f:pieces"] < 10**7


def test_a_caller_who_reads_slowly_holds_the_model_back(plane) -> None:
    with begun(plane, "slow", 10**9) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: 0"
        assert httpx.get(f"{plane.url}/health/ready").status_code == 200
        first = resident_bytes(plane)
        time.sleep(1.0)
        assert httpx.get(f"{plane.url}/health/ready").status_code == 200
        assert resident_bytes(plane) < first + (20 << 20)
    assert plane.end() == 0


def resident_bytes(plane) -> int:
    return int(Path(f"/proc/{plane.process.pid}/statm").read_text().split()[1]) * 4096
