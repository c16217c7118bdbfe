import json
from dataclasses import replace

import pytest
from examined import examination
from sample import LOOP, write_sample
from typer.testing import CliRunner

from noria.app.settings import read
from noria.app.wiring import build
from noria.cli.main import app
from noria.core.registry import ModelVersion
from noria.core.state import LoopState
from noria.ledger.documents import Documents
from noria.ports import wire

runner = CliRunner()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / ".noria"
    world, told = build(read(folder, environ={})), Documents(write_sample().records)
    digest = world.blobs.put(wire.dump(examination()))
    versions = told.find(ModelVersion, where={"model": LOOP})
    newest = versions[-1]
    versions[-1] = replace(newest, scorecard=replace(newest.scorecard, examination=digest))
    world.records.commit(*(world.documents.write(one) for one in (*versions, *told.find(LoopState))))
    return folder


def run(home, *more):
    return runner.invoke(app, ["scorecard", *more, "--home", str(home)], terminal_width=140)


def test_a_version_is_shown_with_its_marks_gates_and_what_is_behind_them(home):
    done = run(home, f"{LOOP}@4")
    assert done.exit_code == 0, done.output
    for said in (f"{LOOP} v4", "roc_auc", "95 % interval", "latency(p99_ms=5)", "leans on dep_delay", "lofo is not known"):
        assert said in done.output, said


def test_without_a_number_the_champion_is_shown(home):
    assert f"{LOOP} v" in run(home, LOOP).output


def test_it_is_written_as_html_and_printed_as_markdown_or_json(home, tmp_path):
    done = run(home, f"{LOOP}@v4", "--html", str(tmp_path / "card.html"), "--json")
    assert json.loads(done.stdout)["examination"]["importance"]["method"] == "permutation"
    assert "What it leans on" in (tmp_path / "card.html").read_text()
    assert run(home, f"{LOOP}@4", "--markdown").stdout.startswith("## late-arrival v4")


@pytest.mark.parametrize(
    ("which", "said"), [(f"{LOOP}@99", "has no version 99"), (f"{LOOP}@x", "is no version"), ("nope", "no loop 'nope'")]
)
def test_what_is_not_there_is_said(home, which, said):
    done = run(home, which)
    assert done.exit_code == 1 and said in done.output
