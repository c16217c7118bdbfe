"""Our own client's entries: taken in order, once however often they come, and seen by MLflow's client as any run."""

import gzip
import json
import math

import httpx
import pytest

import noria as nr
from noria.client.place import Place
from noria.client.run import Run
from noria.client.sync import left_in, sync

PATH = "/api/v1/tracking/entries"
START = {"at": 1_000, "start": {"name": "one", "experiment": "churn"}}


@pytest.fixture
def begin(url, monkeypatch, tmp_path):
    monkeypatch.setenv("NORIA_URL", url)
    monkeypatch.setenv("NORIA_SPOOL", str(tmp_path / "spool"))
    monkeypatch.delenv("NORIA_OFFLINE", raising=False)
    return lambda *args, **named: nr.run(*args, **{"capture": False, "system_every_s": 0, **named})


def send(url, run, *entries, **headers):
    answer = httpx.post(url + PATH, json={"runs": [{"run": run, "entries": list(entries)}]}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_run_of_ours_is_a_run_to_mlflows_client(begin, client):
    with begin("first", experiment="churn", params={"lr": 0.1}, tags={"team": "search"}) as run:
        for step in range(3):
            run.log(loss=1.0 / (step + 1), step=step)
        run.log(odd=float("nan"), endless=float("inf"), step=0)
        with run.child("inner") as inner:
            inner.log(loss=3)
    seen = client.get_run(run.id)
    assert (seen.info.run_name, seen.info.status) == ("first", "FINISHED")
    assert client.get_experiment(seen.info.experiment_id).name == "churn"
    assert seen.data.params == {"lr": "0.1"}
    assert seen.data.tags["team"] == "search"
    assert [point.value for point in client.get_metric_history(run.id, "loss")] == [1.0, 0.5, pytest.approx(1 / 3)]
    assert math.isnan(seen.data.metrics["odd"])
    assert client.get_run(inner.id).data.tags["mlflow.parentRunId"] == run.id


def test_files_and_models_of_a_run_are_its_artifacts(begin, url):
    from sklearn.linear_model import LinearRegression

    with begin("files") as run:
        run.log_text("hello", "notes/ä b#1.md")
        run.log_model(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]))

    def listed(path):
        told = httpx.get(f"{url}/api/2.0/mlflow/artifacts/list", params={"run_id": run.id, "path": path}).json()
        return {found["path"] for found in told["files"]}

    assert listed("") == {"model", "notes"}
    assert listed("model") >= {"model/MLmodel", "model/model.skops"}
    assert httpx.get(f"{url}/get-artifact", params={"run_id": run.id, "path": "notes/ä b#1.md"}).text == "hello"


def test_the_same_entries_sent_again_change_nothing(url, client):
    told = [START, {"at": 2_000, "log": {"loss": 0.5}, "step": 1}, {"at": 3_000, "params": {"a": "b"}}, {"at": 4_000, "end": "FINISHED"}]
    for _ in range(3):
        assert send(url, "abc123", *told) == {"taken": 4, "refused": []}
    assert len(client.get_metric_history("abc123", "loss")) == 1
    assert client.get_run("abc123").info.end_time == 4_000


def test_one_wrong_entry_is_told_and_the_others_are_taken(url, client):
    told = send(
        url,
        "abc123",
        START,
        {"at": 1, "log": {"good": 1, "also/good": "Infinity"}, "step": 0},
        {"at": 1, "log": {"b@d": 1}, "step": 0},
        {"at": 1, "log": {"text": "seven"}, "step": 0},
        {"at": 1, "log": {"good": 2}, "step": 1},
        {"at": 1, "params": {"p": "1"}},
        {"at": 1, "params": {"p": "2"}},
        {"at": 1, "end": "HAPPILY"},
        {"at": 1, "sings": {}},
        "nonsense",
        {"tags": {"a": "b"}},
        {"at": 5, "end": "FAILED"},
    )
    assert told["taken"] == 12
    assert [one["index"] for one in told["refused"]] == [2, 3, 6, 7, 8, 9, 10]
    seen = client.get_run("abc123")
    assert (seen.data.metrics["good"], seen.data.params, seen.info.status) == (2, {"p": "1"}, "FAILED")


def test_a_run_that_was_not_begun_is_refused_entry_by_entry(url):
    told = send(url, "nobody", {"at": 1, "log": {"a": 1}, "step": 0}, {"at": 1, "end": "FINISHED"})
    assert [one["index"] for one in told["refused"]] == [0, 1]
    assert "not found" in told["refused"][0]["message"]


def test_a_run_of_another_project_cannot_be_written_to(url):
    send(url, "abc123", START)
    told = send(url, "abc123", START, {"at": 1, "tags": {"a": "b"}}, **{"x-mlflow-workspace": "other"})
    assert [one["index"] for one in told["refused"]] == [0, 1]


def test_who_died_without_an_end_was_killed_and_who_had_one_was_not(url, client):
    send(url, "aaa", START, {"at": 7_000, "died": {}})
    send(url, "bbb", START, {"at": 6_000, "end": "FINISHED"}, {"at": 7_000, "died": {}})
    assert [(client.get_run(run).info.status, client.get_run(run).info.end_time) for run in ("aaa", "bbb")] == [
        ("KILLED", 7_000),
        ("FINISHED", 6_000),
    ]


def test_a_run_that_goes_on_is_running_again(begin, url, client):
    send(url, "abc123", START, {"at": 6_000, "end": "FAILED"})
    with begin(id="abc123") as run:
        run.log(loss=1)
        assert run.flush(30)
        assert client.get_run("abc123").info.status == "RUNNING"
        assert client.get_run("abc123").info.end_time is None
    assert client.get_run("abc123").info.status == "FINISHED"


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"{}", b'{"runs": [1]}', b'{"runs": [{"run": 1, "entries": []}]}', b'{"runs": [{"run": "a"}]}']
)
def test_a_body_that_makes_no_sense_is_the_callers_fault(url, body):
    for content, kind in ((body, "application/json"), (gzip.compress(body), "application/gzip"), (body, "application/gzip")):
        answer = httpx.post(url + PATH, content=content, headers={"content-type": kind})
        assert answer.status_code == 400, answer.text


def test_a_body_that_grows_without_end_is_cut(url, monkeypatch):
    monkeypatch.setattr("noria.server.mlflow.entries.UNPACKED_BYTES", 1_000)
    body = gzip.compress(json.dumps({"runs": [], "filler": "x" * 100_000}).encode())
    assert httpx.post(url + PATH, content=body, headers={"content-type": "application/gzip"}).status_code == 400


def test_what_was_told_offline_is_there_after_a_sync_with_all_its_points(url, client, tmp_path):
    where = Place(url="", spool=tmp_path / "spool", offline=True)
    with Run("offline", experiment="e", where=where, capture=False, system_every_s=0) as run:
        for step in range(12_000):
            run.log(loss=step / 7, step=step)
    told = sync(left_in(Place(url=url, spool=where.spool)))
    assert (told.runs, told.entries, told.refused, told.left) == (1, 12_002, 0, {})
    assert len(client.get_metric_history(run.id, "loss")) == 12_000
