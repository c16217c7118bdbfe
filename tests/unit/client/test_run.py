"""The face of a run: everything that may be told arrives as it was told; nothing that is told wrongly raises."""

import json
import logging
import multiprocessing
import pickle

import pytest

import noria as nr
from noria.client import kept
from noria.client.run import Run, current


@pytest.fixture
def begin(monkeypatch, server, tmp_path):
    monkeypatch.setenv("NORIA_URL", server.url)
    monkeypatch.setenv("NORIA_SPOOL", str(tmp_path / "spool"))
    monkeypatch.delenv("NORIA_OFFLINE", raising=False)
    monkeypatch.delenv("NORIA_PARAMS", raising=False)
    return lambda *args, **named: nr.run(*args, **{"capture": False, "system_every_s": 0, **named})


def all_tags(server, run):
    return {name: text for one in server.told(run.id, "tags") for name, text in one.items()}


def test_everything_told_in_a_block_is_with_the_server_when_it_is_left(server, begin):
    with begin("first", experiment="churn", params={"lr": 0.1}, tags={"team": "search"}) as run:
        run.log(loss=0.5, accuracy=0.9, step=7)
        run.log({"val/loss": float("nan")})
        run.param("depth", 3)
        run.tag("note", "good")
    start = server.told(run.id, "start")[0]
    assert (start["name"], start["experiment"], start["parent"]) == ("first", "churn", "")
    assert [(one["log"], one["step"]) for one in server.entries[run.id] if "log" in one] == [
        ({"loss": 0.5, "accuracy": 0.9}, 7),
        ({"val/loss": "NaN"}, 8),
    ]
    assert server.told(run.id, "params") == [{"lr": "0.1"}, {"depth": "3"}]
    assert all_tags(server, run) == {"team": "search", "note": "good"}
    assert server.told(run.id, "end") == ["FINISHED"]


def test_files_texts_and_figures_arrive_under_their_paths(server, begin, tmp_path):
    class Figure:
        def savefig(self, out, format):
            out.write(b"drawn as " + format.encode())

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.csv").write_text("a,b")
    with begin("files") as run:
        run.log_file(tmp_path / "data" / "one.csv")
        run.log_file(tmp_path / "data", "inputs")
        run.log_text("hello", "notes/a.md")
        run.log_dict({"a": 1}, "a.json")
        run.log_figure(Figure(), "plots/roc.svg")
    home = f"/api/2.0/mlflow-artifacts/artifacts/1/{run.id}/artifacts/"
    assert {path.removeprefix(home): content for path, content in server.files.items()} == {
        "one.csv": b"a,b",
        "inputs/one.csv": b"a,b",
        "notes/a.md": b"hello",
        "a.json": b'{\n  "a": 1\n}',
        "plots/roc.svg": b"drawn as svg",
    }


def test_nothing_told_wrongly_raises(server, begin, caplog):
    class Strange:
        def __str__(self):
            raise RuntimeError("no text")

    with begin("wrong") as run:
        run.log(loss=[1, 2], good=1.0)
        run.log(loss=[1, 2], good=2.0)
        run.log(loss=1, step="seven")
        run.param("p", Strange())
        run.log_file("/nowhere/at/all")
        run.log_text("x", "../../etc/passwd")
        run.log_figure(object(), "x.png")
    assert [one["log"] for one in server.entries[run.id] if "log" in one][:2] == [{"good": 1.0}, {"good": 2.0}]
    assert sum("the metric loss is not told" in one.message for one in caplog.records) == 1
    assert server.told(run.id, "end") == ["FINISHED"]


def test_a_block_left_by_an_error_fails_the_run_and_passes_the_error_on(server, begin):
    with pytest.raises(ValueError, match="too bad"), begin("failing") as run:
        raise ValueError("too bad")
    assert server.told(run.id, "end") == ["FAILED"]
    assert all_tags(server, run)["noria.error"] == "ValueError: too bad"
    assert "test_run.py" in all_tags(server, run)["noria.traceback"]


def test_a_run_inside_a_block_is_a_child(server, begin):
    with begin("outer", experiment="e") as outer:
        with begin("inner") as inner, inner.child("innermost") as innermost:
            assert current() is innermost
        with begin("apart", parent="") as apart:
            pass
        assert current() is outer
    assert current() is None
    parents = {one.name: server.told(one.id, "start")[0]["parent"] for one in (inner, innermost, apart)}
    assert parents == {"inner": outer.id, "innermost": inner.id, "apart": ""}
    assert server.told(inner.id, "start")[0]["experiment"] == "e"


def test_a_run_goes_on_by_its_id(server, begin):
    with begin("long") as run:
        run.log(loss=1.0, step=0)
    with begin(id=run.id) as again:
        again.log(loss=0.5, step=1)
    assert again.id == run.id
    assert [one["resume"] for one in server.told(run.id, "start")] == [False, True]
    assert server.told(run.id, "end") == ["FINISHED", "FINISHED"]


def test_an_id_that_leads_elsewhere_is_refused(begin):
    with pytest.raises(ValueError, match="no run's id"):
        begin(id="../../etc")


def test_workers_of_other_processes_write_to_the_same_run(server, begin):
    with begin("parent") as run:
        forked = multiprocessing.get_context("fork").Process(target=lambda: run.log(forked=1.0, step=0))
        forked.start()
        forked.join()
        pickle.loads(pickle.dumps(run)).log(sent=2.0, step=0)
    for name, value in (("forked", 1.0), ("sent", 2.0)):
        assert {name: value} in server.told(run.id, "log")
    assert server.told(run.id, "end") == ["FINISHED"]


def test_params_that_a_clone_changed_hold(server, begin, monkeypatch):
    monkeypatch.setenv("NORIA_PARAMS", json.dumps({"lr": 0.5, "extra": "x"}))
    with begin("clone", params={"lr": 0.1, "depth": 3}) as run:
        assert dict(run.config) == {"lr": 0.5, "depth": 3, "extra": "x"}
        assert run.param("lr", 0.1) == 0.5


def test_offline_sends_nothing_and_keeps_all(server, begin, tmp_path):
    with begin("quiet", offline=True) as run:
        run.log(loss=1.0)
    assert server.asked == 0
    folder = next((tmp_path / "spool").glob(f"*.offline/{run.id}"))
    assert len(kept.next_batch(kept.files_of(folder)[0]).entries) == 3
    assert not run.flush()


def test_a_run_is_captured_beside_the_script(server, begin):
    with begin("captured", capture=True) as run:
        run._companion.captured.wait(30)
    told = all_tags(server, run)
    assert len(told["mlflow.source.git.commit"]) == 40
    assert {"noria.command", "noria.python", "mlflow.user", "noria.git.dirty"} <= set(told)
    packages = next(content for path, content in server.files.items() if path.endswith("environment/packages.txt"))
    assert b"\npytest==" in packages


def test_a_logger_that_is_off_hears_nothing(begin, server, caplog):
    caplog.set_level(logging.CRITICAL, "noria.client")
    server.manner = "fails"
    with begin("quiet") as run:
        run.log(loss="x")
    assert isinstance(run, Run)
    assert not caplog.records
