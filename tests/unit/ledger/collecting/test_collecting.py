"""What a collection finds, what it leaves, and what it tells."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from noria.adapters.files import Files
from noria.adapters.sqlite import Sqlite
from noria.core.ids import digest_of
from noria.ledger.artifacts import index
from noria.ledger.artifacts.index import Artifact
from noria.ledger.collecting.purging import OF_MODELS, OF_RUNS, Purged
from noria.ledger.collecting.sweep import collect
from noria.ledger.tracking import logged_models
from noria.ports.records import Put

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)


class Store:
    """Records, tables and blobs under a folder, with times as they are told."""

    def __init__(self, folder):
        self.sql = Sqlite(folder / "noria.db")
        self.blobs = Files(folder / "blobs")
        self.folder = folder

    def keep(self, content, at=LONG_AGO):
        digest = self.blobs.put(content)
        os.utime(self.blobs.path(digest), (at.timestamp(), at.timestamp()))
        return digest

    def name(self, key, *digests):
        self.sql.commit(Put(kind="version", key=key, body=json.dumps({"names": digests}).encode()))

    def artifact(self, path, digest):
        self.sql.write(lambda tx: index.put(tx, "default", Artifact(path=path, digest=digest, size_bytes=1), now_ms=1))

    def experiment(self, id, deleted=None):
        row = (id, "default", f"e{id}", f"mlflow-artifacts:/{id}", "deleted" if deleted else "active", 1, ms(deleted or NOW))
        self.sql.write(lambda tx: tx.run("INSERT INTO noria_experiments VALUES (?, ?, ?, ?, ?, ?, ?)", row))

    def run(self, id, experiment, deleted=None):
        row = (id, experiment, id, "ada", "FINISHED", "deleted" if deleted else "active", 1, deleted and ms(deleted))
        uri = f"mlflow-artifacts:/{experiment}/{id}/artifacts"
        query = """INSERT INTO noria_runs (id, experiment, name, person, status, state, start_ms, deleted_ms, artifacts)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row"""

        def work(tx):
            ((number,),) = tx.run(query, (*row, uri))
            tx.run("INSERT INTO noria_params VALUES (?, 'lr', '0.1')", (number,))
            tx.run("INSERT INTO noria_tags VALUES (?, 'who', 'ada')", (number,))
            tx.run("INSERT INTO noria_points VALUES (?, 1, 1, 1, 0.5, 0)", (number,))
            tx.run("INSERT INTO noria_latest VALUES (?, 1, 0.5, 0, 1, 1)", (number,))
            tx.run("INSERT INTO noria_inputs VALUES (?, 1, '', '{}')", (number,))
            tx.run("INSERT INTO noria_run_models VALUES (?, 'out', 'm-1', 0)", (number,))
            tx.run("INSERT INTO noria_logged_model_points VALUES (1, 1, 1, 1, ?, 0.5, 0, '', '')", (number,))

        self.sql.write(work)
        digest = self.keep(f"of {id}".encode())
        self.artifact(f"{experiment}/{id}/artifacts/x", digest)
        return digest

    def model(self, id, experiment, deleted=None):
        row = (id, experiment, id, "", "", "READY", "deleted" if deleted else "active", f"mlflow-artifacts:/{experiment}/models/{id}", 1, 1)
        columns = "id, experiment, name, type, run, status, state, artifacts, created_ms, updated_ms, deleted_ms"
        query = f"INSERT INTO noria_logged_models ({columns}) VALUES ({', '.join('?' * 11)}) RETURNING row"

        def work(tx):
            ((number,),) = tx.run(query, (*row, deleted and ms(deleted)))
            tx.run("INSERT INTO noria_logged_model_params VALUES (?, 'lr', '0.1')", (number,))
            tx.run("INSERT INTO noria_logged_model_tags VALUES (?, 'who', 'ada')", (number,))

        self.sql.write(work)
        digest = self.keep(f"of {id}".encode())
        self.artifact(f"{experiment}/models/{id}/MLmodel", digest)
        return digest

    def collect(self, **how):
        return collect(self.sql, self.sql, self.blobs, files=self.folder.glob("*.json"), now=NOW, **how)

    def all(self):
        return set(self.blobs.digests())


def ms(moment):
    return int(moment.timestamp() * 1_000)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.sql.close()


def test_what_documents_files_artifacts_and_blobs_name_stays_and_the_rest_goes(store):
    leaf, table = store.keep(b"leaf"), store.keep(b"PAR1 a table")
    middle = store.keep(json.dumps({"pad": "x" * 2_000_000, "sample": leaf}).encode())
    root = store.keep(json.dumps({"made": [middle]}).encode())
    by_file, by_artifact = store.keep(b"by file"), store.keep(b"by artifact")
    store.name("m@1", root, table, digest_of(b"never put"))
    (store.folder / "order.json").write_text(by_file)
    store.artifact("0/r/artifacts/a", by_artifact)
    stays = {leaf, table, middle, root, by_file, by_artifact}
    gone = {store.keep(b"nobody's"), store.keep(b"PAR1 nobody's table"), store.keep(b'{"serving_form": "onnx"}')}
    before = store.all()
    told = store.collect(dry=True)
    assert store.all() == before == stays | gone and told.dry
    found = store.collect()
    assert store.all() == stays
    assert (found.blobs, found.size_bytes, found.kinds) == (told.blobs, told.size_bytes, told.kinds) == (3, 51, told.kinds)
    assert {(one.kind, one.blobs) for one in found.kinds} == {("models", 1), ("tables", 1), ("other", 1)}
    assert (found.kept_blobs, found.young_blobs, found.failed) == (6, 0, ())
    assert store.collect().blobs == 0


def test_what_a_blob_that_is_garbage_names_is_garbage_too(store):
    leaf = store.keep(b"leaf")
    store.keep(json.dumps({"sample": leaf}).encode())
    assert store.collect().blobs == 2 and store.all() == set()


def test_what_is_young_stays_until_it_is_old(store):
    digest = store.keep(b"just put", at=NOW - timedelta(hours=23))
    assert (store.collect().young_blobs, store.all()) == (1, {digest})
    assert store.collect(grace=timedelta(hours=22)).blobs == 1
    assert store.all() == set()


def test_a_digest_across_the_border_of_two_pieces_is_found(store):
    leaf = store.keep(b"leaf")
    for shift in (-70, -1, 0, 1):
        store.name("m@1", store.keep(b"[" + b" " * ((1 << 20) - 1 + shift) + b'"' + leaf.encode() + b'"]'))
        store.collect()
        assert leaf in store.all(), shift


def test_uploads_that_were_broken_off_go_when_they_are_old(store):
    room = store.blobs.room
    (room / "upload-1").mkdir(parents=True)
    for place in (room / "upload-1" / "part", room / "piece-old", room / "piece-new"):
        place.write_bytes(b"half")
    for place in (room / "upload-1" / "part", room / "upload-1", room / "piece-old"):
        os.utime(place, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    os.utime(room / "piece-new", (NOW.timestamp(), NOW.timestamp()))
    (freed,) = store.collect().kinds
    assert (freed.kind, freed.blobs, freed.size_bytes) == ("broken uploads", 2, 8)
    assert [place.name for place in room.iterdir()] == ["piece-new"]


def test_deleted_runs_stay_until_they_are_purged_and_then_go_with_all_that_was_logged(store):
    store.experiment(0)
    store.experiment(1, deleted=LONG_AGO)
    old, new, live = store.run("old", 0, LONG_AGO), store.run("new", 0, NOW - timedelta(days=2)), store.run("live", 0)
    inside = store.run("inside", 1, LONG_AGO)
    assert store.collect().blobs == 0
    told = store.collect(older_than=timedelta(days=30), dry=True)
    assert store.all() == {old, new, live, inside}
    found = store.collect(older_than=timedelta(days=30))
    assert told.purged == found.purged == Purged(runs=2, experiments=1)
    assert told.kinds == found.kinds and [(one.kind, one.blobs) for one in found.kinds] == [("artifacts of what was deleted", 2)]
    assert store.all() == {new, live}
    assert [id for (id,) in store.sql.read("SELECT id FROM noria_runs ORDER BY id")] == ["live", "new"]
    assert store.sql.read("SELECT id FROM noria_experiments") == [(0,)]
    for table in OF_RUNS[:4]:
        assert len(store.sql.read(f"SELECT 1 FROM {table}")) == 2, table
    assert store.collect(older_than=timedelta(days=30)).purged == Purged()


def test_deleted_logged_models_are_purged_with_their_files_and_their_experiment_after_them(store):
    store.experiment(0)
    store.experiment(1, deleted=LONG_AGO)
    store.experiment(2, deleted=LONG_AGO)
    old, live, inside = store.model("m-old", 0, LONG_AGO), store.model("m-live", 0), store.model("m-inside", 1, LONG_AGO)
    left = store.model("m-left", 2)
    assert store.collect(older_than=timedelta(days=30), dry=True).purged == Purged(models=3, experiments=2)
    assert store.all() == {old, live, inside, left}
    assert store.collect(older_than=timedelta(days=30)).purged == Purged(models=3, experiments=2)
    assert store.all() == {live}
    assert store.sql.read("SELECT id FROM noria_logged_models") == [("m-live",)]
    assert store.sql.read("SELECT id FROM noria_experiments") == [(0,)]
    for table in ("noria_logged_model_params", "noria_logged_model_tags"):
        assert len(store.sql.read(f"SELECT 1 FROM {table}")) == 1, table


def test_content_that_another_run_has_too_stays(store):
    store.experiment(0)
    shared = store.run("old", 0, LONG_AGO)
    store.run("live", 0)
    store.artifact("0/live/artifacts/same", shared)
    assert store.collect(older_than=timedelta(days=30), dry=True).blobs == 0
    assert store.collect(older_than=timedelta(days=30)).purged.runs == 1
    assert shared in store.all()


@pytest.mark.parametrize("registered", [False, True])
def test_deleted_models_go_with_their_artifacts_unless_they_are_registered(store, registered):
    store.experiment(0, deleted=None)
    id = store.sql.write(lambda tx: logged_models.create(tx, "default", 0, now_ms=1, params=[("p", "1")], tags=[("t", "1")]))
    digest = store.keep(b"a model")
    store.artifact(f"0/models/{id}/artifacts/model.txt", digest)
    assert store.collect(older_than=timedelta(days=30)).purged == Purged()
    store.sql.write(lambda tx: logged_models.delete(tx, "default", id, now_ms=ms(LONG_AGO)))
    if registered:
        columns = "model, number, description, person, stage, source, location, run, run_link, model_id, created_ms, updated_ms"
        row = (1, 1, "", "ada", "None", "", "elsewhere", "", "", id, 1, 1)
        store.sql.write(lambda tx: tx.run(f"INSERT INTO noria_model_versions ({columns}) VALUES ({', '.join('?' * 12)})", row))
    assert store.collect(older_than=timedelta(days=30)).purged == (Purged(kept=1) if registered else Purged(models=1))
    assert store.all() == ({digest} if registered else set())
    for table in ("noria_logged_models", "noria_logged_model_params", "noria_logged_model_tags"):
        assert len(store.sql.read(f"SELECT 1 FROM {table}")) == int(registered), table


@pytest.mark.parametrize(
    ("thing", "run", "model", "location"),
    [
        ("run", "old", "", "elsewhere"),
        ("run", "", "", "mlflow-artifacts:/0/old/artifacts/model"),
        ("model", "", "old", "elsewhere"),
        ("model", "", "", "mlflow-artifacts:/0/models/old"),
    ],
)
def test_what_a_registered_version_came_from_stays(store, thing, run, model, location):
    store.experiment(0)
    digest = getattr(store, thing)("old", 0, LONG_AGO)
    columns = "model, number, description, person, stage, source, location, run, run_link, model_id, created_ms, updated_ms"
    row = (1, 1, "", "ada", "None", location, location, run, "", model, 1, 1)
    store.sql.write(lambda tx: tx.run(f"INSERT INTO noria_model_versions ({columns}) VALUES ({', '.join('?' * 12)})", row))
    assert store.collect(older_than=timedelta(days=30)).purged == Purged(kept=1)
    assert store.all() == {digest}


def test_every_table_that_belongs_to_runs_or_logged_models_is_purged_with_them(store):
    """A table with a column `run`, or `model`, that is a row's number, whoever adds it, must be in the list."""
    with sqlite3.connect(store.folder / "noria.db") as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'noria_%'")]
        columns = [(table, *column[1:3]) for table in tables for column in db.execute(f"PRAGMA table_info({table})")]
    db.close()
    assert {table for table, *column in columns if column == ["run", "BIGINT"]} == set(OF_RUNS)
    of_models = {table for table, *column in columns if column == ["model", "BIGINT"] and "logged" in table}
    assert of_models == set(OF_MODELS)
