"""Collections as processes: beside writers that name what was garbage a moment ago, and killed in the middle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noria.adapters.files import Files
from noria.adapters.sqlite import Sqlite
from noria.ledger.artifacts import index
from noria.ledger.artifacts.index import Artifact
from noria.ports.records import Put

WORKER = str(Path(__file__).parent / "collecting_process.py")


def start(*arguments):
    return subprocess.Popen([sys.executable, WORKER, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err
    return out


def test_what_is_named_while_collections_run_is_never_lost_and_what_is_let_go_goes(tmp_path):
    Sqlite(tmp_path / "noria.db").close()
    collectors = [start("collect", tmp_path) for _ in range(2)]
    writers = [start("write", tmp_path, seed, 150) for seed in (1, 2)]
    for writer in writers:
        ended(writer)
    (tmp_path / "done").touch()
    gone = sum(int(ended(collector)) for collector in collectors)
    assert gone >= 12
    assert list(Files(tmp_path / "blobs").digests()) == []


@pytest.mark.parametrize("lines", [1, 25, 60, 140])
def test_a_collection_that_is_killed_is_finished_by_the_next_one(tmp_path, lines):
    """Forty deleted runs with artifacts, sixty blobs that nothing names, twenty that something does."""
    sql, blobs = Sqlite(tmp_path / "noria.db"), Files(tmp_path / "blobs")
    stays = {blobs.put(b"named %d" % n) for n in range(20)}
    sql.commit(*(Put(kind="version", key=digest, body=digest.encode()) for digest in stays))
    for n in range(60):
        blobs.put(b"nobody's %d" % n)
    run = "INSERT INTO noria_runs (id, experiment, name, person, status, state, start_ms, deleted_ms, artifacts) VALUES (?,0,'','','','deleted',1,1,?)"
    sql.write(lambda tx: tx.run("INSERT INTO noria_experiments VALUES (0, 'default', 'Default', 'mlflow-artifacts:/0', 'active', 1, 1)"))
    for n in range(40):
        artifact = Artifact(path=f"0/r{n}/artifacts/x", digest=blobs.put(b"of run %d" % n), size_bytes=1)
        sql.write(lambda tx, artifact=artifact: index.put(tx, "default", artifact, now_ms=1), durable=False)
        sql.write(lambda tx, n=n: tx.run(run, (f"r{n}", f"mlflow-artifacts:/0/r{n}/artifacts")), durable=False)
    killed = start("once", tmp_path)
    for _ in range(lines):
        assert killed.stdout.readline()
    killed.kill()
    killed.communicate()
    ended(start("once", tmp_path))
    assert set(blobs.digests()) == stays
    assert sql.read("SELECT count(*) FROM noria_runs") == sql.read("SELECT count(*) FROM noria_artifacts") == [(0,)]
    sql.close()
