"""The kill switch where the data plane runs: a command that needs no records."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from noria.app.settings import Settings, keep
from noria.cli.main import app
from noria.core.schema import Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.stages.serving import killing
from noria.stages.serving.plans import publish


def version(number: int) -> ServedVersion:
    return ServedVersion(number=number, artifact=f"a{number}", code="", signature=Signature(inputs=(), features=(), task=Task.BINARY))


@pytest.fixture
def ordered(tmp_path, monkeypatch):
    """Give an order in a home whose data plane has this route; its records cannot be reached."""
    monkeypatch.delenv("NORIA_HOME", raising=False)
    keep(Settings(home=str(tmp_path), records="postgresql://nobody@127.0.0.1:1/none"))

    def give(*words: str, **route):
        if route:
            publish(Plan(revision=1, routes={"late": Route(deployment="late", **route)}), tmp_path / "dataplane" / "plan.json")
        return CliRunner().invoke(app, [*words, "--here", "--home", str(tmp_path)])

    return give


def test_the_challenger_is_taken_out_and_the_order_is_taken_back_again(ordered, tmp_path):
    told = ordered("kill", "--because", "no time", champion=version(1), challenger=version(2))
    assert "v2 is out, v1 answers" in told.stdout
    order = killing.killed(tmp_path / "dataplane" / killing.FILE)["late"]
    assert (order.versions, order.because) == ((2,), "no time")
    assert "follows the plan again" in ordered("resume").stdout
    assert ordered("resume").exit_code != 0


def test_without_a_challenger_the_champion_gives_way_to_the_one_before(ordered):
    told = ordered("kill", "late", "--json", champion=version(2), before=version(1))
    assert json.loads(told.stdout) == {"loop": "late", "gone": 2, "champion": 1, "here": True}
    assert "goes on" in ordered("kill", champion=version(1)).stdout


def test_a_home_without_a_plan_or_without_that_loop_says_so(ordered):
    assert "no routing plan" in ordered("kill").output
    assert "this data plane has: late" in ordered("kill", "early", champion=version(1)).output
