"""A home is copied while it runs and put back as it was."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import typer

sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))

from old_stores import make

from noria.adapters.sqlite import Sqlite
from noria.app.backups import CARD, backup, dump_command, restore
from noria.app.processes import running
from noria.app.settings import Settings, keep
from noria.app.storing import open_blobs
from noria.cli.migrating import migrate
from noria.core.errors import BlobMissing, NotAllowed, NotFound
from noria.ports.records import Put


@pytest.fixture
def home(tmp_path):
    settings = keep(Settings(home=str(tmp_path / "home")))
    Sqlite(settings.folder / "noria.db").commit(Put(kind="k", key="a", body=b"1"))
    (settings.folder / "log" / "churn").mkdir(parents=True)
    (settings.folder / "log" / "churn" / "part.parquet").write_bytes(b"rows")
    open_blobs(settings).put(b"a model")
    return settings


def test_a_backup_is_taken_beside_a_writer_and_only_what_is_new_comes_the_second_time(home, tmp_path):
    store = Sqlite(home.folder / "noria.db")
    first = backup(home, tmp_path / "safe")
    assert (first.blobs, first.log_files) == (1, 1)
    store.commit(Put(kind="k", key="b", body=b"2"))
    open_blobs(home).put(b"another model")
    second = backup(home, tmp_path / "safe")
    assert second.blobs == 2 and second.copied_bytes == second.records_bytes + len(b"another model")


def test_what_was_backed_up_is_put_back_and_what_was_there_is_kept(home, tmp_path):
    made = backup(home, tmp_path / "safe")
    later = Sqlite(home.folder / "noria.db")
    later.commit(Put(kind="k", key="a", body=b"later"))
    later.close()
    blobs = open_blobs(home)
    (digest,) = blobs.digests()
    blobs.path(digest).unlink()
    (home.folder / "log" / "churn" / "part.parquet").unlink()
    assert restore(home, tmp_path / "safe") == made
    assert Sqlite(home.folder / "noria.db").get("k", "a").body == b"1"
    assert blobs.read(digest) == b"a model" and (home.folder / "log" / "churn" / "part.parquet").read_bytes() == b"rows"
    (kept,) = (home.folder / "backups").glob("*before-restore*")
    assert Sqlite(kept).get("k", "a").body == b"later"
    elsewhere = Settings(home=str(tmp_path / "new"))
    restore(elsewhere, tmp_path / "safe")
    assert Sqlite(elsewhere.folder / "noria.db").get("k", "a").body == b"1"


def test_what_cannot_be_backed_up_or_put_back_is_said(home, tmp_path):
    with pytest.raises(NotFound, match="no backup"):
        restore(home, tmp_path)
    backup(home, tmp_path / "safe")
    with running(home.folder, "server"), pytest.raises(NotAllowed, match=r"the server of .* run"):
        restore(home, tmp_path / "safe")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    with pytest.raises(NotAllowed, match="holds something"):
        backup(home, tmp_path / "full")
    server = replace(home, records="postgresql://ann:secret@db.example:5433/noria")
    with pytest.raises(NotAllowed) as refused:
        backup(server, tmp_path / "x")
    assert "pg_dump -Fc -h db.example -p 5433 -U ann -d noria -f noria.dump" in refused.value.fix
    assert "secret" not in dump_command(server)
    (digest,) = open_blobs(home).digests()
    damaged = tmp_path / "safe" / "blobs" / digest[7:9] / digest[9:11] / digest[7:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"a mudel")
    open_blobs(home).path(digest).unlink()
    with pytest.raises((NotFound, BlobMissing), match="does not hold"):
        restore(home, tmp_path / "safe")
    card = tmp_path / "safe" / CARD
    card.write_text(json.dumps({"whatever": 1}))
    with pytest.raises(NotFound, match="no backup"):
        restore(home, tmp_path / "safe")


def test_migrate_says_what_it_would_do_before_it_does_it(tmp_path, capsys):
    settings = keep(Settings(home=str(tmp_path / "home")))
    make(settings.folder / "noria.db", {"records": 1})
    migrate(home=settings.folder, dry_run=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] and not told["done"] and all(step["has"] == 0 and step["statements"] for step in told["steps"])
    migrate(home=settings.folder)
    assert "what was before is in" in capsys.readouterr().out.replace("\n", " ")
    migrate(home=settings.folder)
    assert "have this Noria's format" in capsys.readouterr().out
    with closing(sqlite3.connect(settings.folder / "noria.db", isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(typer.Exit):
        migrate(home=settings.folder)
    assert "install the newer Noria" in capsys.readouterr().err.replace("\n", " ")
