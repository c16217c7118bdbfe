"""`noria anomalies` over a home with a queue in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from noria.app.settings import Settings
from noria.app.wiring import build
from noria.cli.main import app
from noria.core.anomalies import AnomalousRequest, FarFeature, Neighbour
from noria.core.state import LoopState
from noria.loop.anomalies import push

AT = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / ".noria"
    world = build(Settings(home=folder))
    world.documents.put(LoopState(name="orders", description="", file="f.py", code="", task=None, phase="serving"))
    far = (FarFeature(name="area", value="900", nearby="90 to 120", usual="40 to 180", share=0.9),)
    found = [
        AnomalousRequest(
            loop="orders",
            number=0,
            request_id=f"o{n}",
            version=1,
            time=AT + timedelta(hours=n),
            score=4.0 + n,
            threshold=2.0,
            far=far,
            neighbours=(Neighbour(distance=3.9, features={"area": 110.5, "city": "[ulm]"}),),
            features={"area": 900.0},
            inputs={"order": f"o{n}", "area": 900.0},
            answer=0.25,
        )
        for n in range(2)
    ]
    world.records.commit(*push(world.documents, "orders", found))
    return str(folder)


def run(home, *words):
    return CliRunner().invoke(app, ["anomalies", *words, "--home", home])


def test_the_queue_is_listed_newest_first_with_its_reasons(home):
    told = run(home).output
    assert told.index("orders-2") < told.index("orders-1")
    assert "area = 900" in told and "2.5 ×" in told and "--open orders-2" in told
    assert [one["request_id"] for one in json.loads(run(home, "orders", "--json").output)] == ["o1", "o0"]


def test_one_is_opened_with_inputs_neighbours_and_reasons(home):
    told = run(home, "--open", "orders-1").output
    for part in ("request o0", "90 to 120", "40 to 180", "90%", "at 3.9", "city=[ulm]", "order=o0", "0.25"):
        assert part in told, part


def test_a_decision_takes_it_off_the_list_and_is_kept(home):
    assert "dismissed" in run(home, "--dismiss", "orders-1", "--by", "Ada", "--because", "a test").output
    assert "orders-1" not in run(home).output and "orders-1" in run(home, "--all").output
    assert "by Ada: a test" in run(home, "--open", "orders-1").output
    assert "seen" in run(home, "--seen", "orders-2").output
    assert "no anomalous request waits" in run(home).output


def test_what_is_not_there_or_too_much_is_said(home):
    assert run(home, "--open", "orders-77").exit_code == 1
    assert run(home, "--open", "orders-1", "--seen", "orders-2").exit_code == 1
