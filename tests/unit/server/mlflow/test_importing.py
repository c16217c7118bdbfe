"""Another server's runs and models come over whole: by its protocol, and from a database of MLflow's."""

import math
import sqlite3

import pytest

from noria.adapters.files import Files
from noria.adapters.sqlite import Sqlite
from noria.app.importing import bring_mlflow
from noria.app.settings import Settings
from noria.core.errors import SettingsInvalid, Unavailable
from noria.ledger.importing.report import KINDS


@pytest.fixture
def server(client, url, tmp_path):
    """A server of the protocol that MLflow's own client has filled; its address."""
    _fill(client, tmp_path)
    return url


def _fill(client, folder):
    from mlflow.entities import Metric, Param, RunTag

    shop = client.create_experiment("shop", tags={"team": "ada"})
    first = client.create_run(shop, run_name="first").info.run_id
    points = [Metric("loss", 1 / (n + 1), 1_000 + n, n) for n in range(800)] + [Metric("odd", math.nan, 5, 1)]
    client.log_batch(first, metrics=points, params=[Param("lr", "0.1")], tags=[RunTag("note", "ünï")])
    client.set_terminated(first)
    (folder / "model").mkdir()
    (folder / "model" / "weights.bin").write_bytes(b"\x00\x01" * 5_000)
    (folder / "model" / "MLmodel").write_text("flavors: {}\n")
    client.log_artifacts(first, str(folder / "model"), "model")
    gone = client.create_run(shop).info.run_id
    client.set_terminated(gone, "FAILED")
    client.delete_run(gone)
    client.create_registered_model("churn", tags={"kind": "tree"}, description="who leaves")
    for number in (1, 2):
        client.create_model_version("churn", f"runs:/{first}/model", run_id=first, description=f"v{number}")
    client.set_registered_model_alias("churn", "champion", "2")
    client.copy_model_version("models:/churn/2", "a-copy")


def _bring(tmp_path, uri, **more):
    asked = {"project": "default", "artifacts": None, "files": True, "told": lambda what: None, **more}
    return bring_mlflow(Settings(home=str(tmp_path / "here")), uri, **asked)


def test_everything_comes_over_under_its_own_ids_and_both_sides_count_the_same(server, tmp_path):
    report = _bring(tmp_path, server)
    assert report.left == [] and report.whole
    counted = {kind: report.here[kind] for kind in KINDS}
    assert counted == {
        "experiments": 2, "runs": 2, "params": 1, "tags": 3, "points": 801, "logged models": 0,
        "registered models": 2, "versions": 3, "aliases": 1, "files": 2,
    }  # fmt: skip
    store = Sqlite(tmp_path / "here" / "noria.db")
    rows = store.read("SELECT name, status, state FROM noria_runs ORDER BY state")
    assert rows[0] == ("first", "FINISHED", "active") and rows[1][1:] == ("FAILED", "deleted")
    assert store.read("SELECT number, location FROM noria_model_versions ORDER BY number")[1][1].startswith("mlflow-artifacts:/")
    places = store.read("SELECT location FROM noria_model_versions")
    assert len(places) == 3 and len(set(places)) == 1
    digest = store.read("SELECT digest FROM noria_artifacts WHERE name = 'weights.bin'")[0][0]
    assert Files(tmp_path / "here" / "blobs").read(digest) == b"\x00\x01" * 5_000
    store.close()


def test_what_is_here_is_passed_by_and_a_run_that_went_on_is_read_again(client, server, tmp_path):
    _bring(tmp_path, server)
    late = client.create_run("0").info.run_id
    client.log_metric(late, "m", 1.0)
    report = _bring(tmp_path, server)
    assert report.whole and report.skipped == 2 and report.here["runs"] == 3
    client.log_metric(late, "m", 2.0, step=1)
    report = _bring(tmp_path, server)
    assert report.whole and report.here["points"] == 803


def test_an_import_that_is_cut_off_goes_on(server, tmp_path):
    class Cut(Exception):
        pass

    def cut(what):
        if what.startswith("model"):
            raise Cut

    with pytest.raises(Cut):
        _bring(tmp_path, server, told=cut)
    report = _bring(tmp_path, server)
    assert report.whole and report.skipped == 2


def test_a_name_that_a_deployment_keeps_is_left_and_said(server, tmp_path):
    store = Sqlite(tmp_path / "here" / "noria.db")
    store.write(
        lambda tx: tx.run(
            "INSERT INTO noria_models (project, name, description, person, keeper, prompt, top, created_ms, updated_ms) "
            "VALUES ('default', 'churn', '', '', 'deployment', 0, 0, 1, 1)"
        )
    )
    store.close()
    report = _bring(tmp_path, server)
    assert not report.whole and report.left == ["model churn: the name is kept by the deployment of that name"]


def test_a_database_of_mlflow_2_is_read_with_its_local_files(tmp_path):
    path, files = tmp_path / "mlflow.db", tmp_path / "mlruns" / "7" / "r1" / "artifacts"
    files.mkdir(parents=True)
    (files / "plot.txt").write_text("curve")
    with sqlite3.connect(path) as db:
        db.executescript(
            f"""CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT, lifecycle_stage TEXT, creation_time INTEGER);
            CREATE TABLE experiment_tags (key TEXT, value TEXT, experiment_id INTEGER);
            CREATE TABLE runs (run_uuid TEXT, name TEXT, user_id TEXT, status TEXT, lifecycle_stage TEXT, start_time INTEGER,
                end_time INTEGER, artifact_uri TEXT, experiment_id INTEGER);
            CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
            CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
            CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan BOOLEAN);
            CREATE TABLE latest_metrics (key TEXT, run_uuid TEXT);
            CREATE TABLE registered_models (name TEXT, description TEXT, creation_time INTEGER);
            CREATE TABLE registered_model_tags (key TEXT, value TEXT, name TEXT);
            CREATE TABLE model_versions (name TEXT, version INTEGER, description TEXT, user_id TEXT, current_stage TEXT, source TEXT,
                run_id TEXT, run_link TEXT, creation_time INTEGER);
            CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER);
            INSERT INTO experiments VALUES (7, 'old', 'x', 'active', 5);
            INSERT INTO runs VALUES ('r1', '', 'ada', 'FINISHED', 'active', 10, 20, '{files}', 7);
            INSERT INTO tags VALUES ('mlflow.runName', 'named', 'r1');
            INSERT INTO params VALUES ('lr', '1', 'r1');
            INSERT INTO metrics VALUES ('m', 0.5, 11, 'r1', 0, 0), ('m', 0, 12, 'r1', 1, 1);
            INSERT INTO latest_metrics VALUES ('m', 'r1');
            INSERT INTO registered_models VALUES ('old-model', 'd', 5);
            INSERT INTO model_versions VALUES ('old-model', 3, '', 'ada', 'Production', '{files}/model', 'r1', '', 30);"""
        )
    db.close()
    report = _bring(tmp_path, f"sqlite:///{path}")
    assert report.whole, report.left
    store = Sqlite(tmp_path / "here" / "noria.db")
    assert store.read("SELECT name, person, end_ms FROM noria_runs") == [("named", "ada", 20)]
    assert store.read("SELECT value, nan FROM noria_points ORDER BY at_ms") == [(0.5, 0), (0.0, 1)]
    assert store.read("SELECT number, stage, person FROM noria_model_versions") == [(3, "Production", "ada")]
    assert store.read("SELECT folder, name FROM noria_artifacts")[0][1] == "plot.txt"
    store.close()


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("mlruns", SettingsInvalid),
        ("mysql://x/y", SettingsInvalid),
        ("sqlite:////no/where.db", Unavailable),
        ("http://127.0.0.1:9", Unavailable),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, uri, error):
    with pytest.raises(error):
        _bring(tmp_path, uri)
