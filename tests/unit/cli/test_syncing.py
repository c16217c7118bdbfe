"""`noria sync` sends what waits, says what is left, and may be repeated."""

import json

import pytest
from typer.testing import CliRunner

from noria.cli.main import app
from noria.client.place import Place
from noria.client.run import Run


@pytest.fixture
def left(tmp_path):
    """Two runs told offline, one of them with a file."""
    where = Place(url="", spool=tmp_path / "spool", offline=True)
    for name in ("one", "two"):
        with Run(name, experiment="e", where=where, capture=False, system_every_s=0) as run:
            run.log(loss=1.0)
    run._spool.append(b'{"at":1,"tags":{"late":"yes"}}')
    run._spool.close()
    return where


def asked(tmp_path, *words, **environ):
    environ = {"NORIA_SPOOL": str(tmp_path / "spool"), "NORIA_URL": "", "NORIA_HOME": "", "NORIA_OFFLINE": "1", **environ}
    done = CliRunner(env=environ).invoke(app, ["sync", *words])
    return done.exit_code, done.stdout


def test_what_waits_is_told(left, tmp_path):
    code, said = asked(tmp_path, "--dry-run", "--json")
    assert code == 0
    assert len(json.loads(said)["waiting"]) == 2


def test_without_a_server_all_is_left_and_told_so(left, tmp_path):
    code, said = asked(tmp_path)
    assert code == 1
    assert said.count("no server is known") == 2


def test_a_server_that_does_not_answer_leaves_all(left, tmp_path):
    code, said = asked(tmp_path, "--url", "http://127.0.0.1:9", "--json")
    assert code == 1
    assert all("does not answer" in reason for reason in json.loads(said)["left"].values())
