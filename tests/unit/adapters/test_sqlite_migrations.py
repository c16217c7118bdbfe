"""Old stores open: copied first, led forward once however many processes come together, refused when a newer Noria wrote them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from old_stores import formats as every_format
from old_stores import make

from noria.adapters.sqlite import Sqlite, backups, formats
from noria.adapters.sqlite.formats import MIGRATIONS, behind
from noria.core.errors import NotAllowed, Unavailable
from noria.ports.records import Put
from noria.ports.relations import GROUPS

MORE = (*MIGRATIONS, ("CREATE TABLE more (x)",))


def copies(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "backups").glob("*")) if (folder / "backups").exists() else []


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.mark.parametrize("has", list(every_format()), ids=str)
def test_a_store_of_every_format_opens_with_all_that_was_in_it_and_is_copied_first(tmp_path, has):
    path = tmp_path / "noria.db"
    make(path, has)
    before, waits = tables(path), behind(path)
    assert tables(path) == before
    records = Sqlite(path)
    assert [record.revision for record in records.find("k", where={"state": "open"})] == [7]
    records.commit(Put(kind="k", key="a", body=b"2", expect=7))
    assert [line.id for line in records.lines()] == ["e1"]
    records.close()
    assert behind(path) == []
    newest = {"records": len(MIGRATIONS), **{group: len(steps) for group, steps in GROUPS.items()}}
    assert {one.group: (one.has, one.newest) for one in waits} == {
        group: (has.get(group, 0), most) for group, most in newest.items() if has.get(group, 0) < most
    }
    assert len(copies(tmp_path)) == bool(waits)
    for name in copies(tmp_path):
        assert tables(tmp_path / "backups" / name) == before
        with closing(sqlite3.connect(tmp_path / "backups" / name)) as db:
            assert db.execute("SELECT revision FROM documents").fetchall() == [(7,)]


def test_a_new_file_has_nothing_to_copy(tmp_path):
    Sqlite(tmp_path / "noria.db").close()
    assert copies(tmp_path) == [] and behind(tmp_path / "nothing.db") == []


OPEN = "import sys; from pathlib import Path; from noria.adapters.sqlite import Sqlite; print(Sqlite(Path(sys.argv[1])).get('k', 'a').revision)"


def test_processes_that_start_together_migrate_once(tmp_path):
    make(tmp_path / "noria.db", {"records": 1})
    command = [sys.executable, "-c", OPEN, str(tmp_path / "noria.db")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=120) for process in started]
    assert said == [("7\n", "")] * 4
    assert len(copies(tmp_path)) == 1


def test_what_another_process_wrote_just_before_is_in_the_copy(tmp_path):
    path = tmp_path / "noria.db"
    make(path, {"records": 1})
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE documents SET revision = 8")
        other.commit()
        Sqlite(path).close()
    with closing(sqlite3.connect(tmp_path / "backups" / copies(tmp_path)[0])) as db:
        assert db.execute("SELECT revision FROM documents").fetchall() == [(8,)]


def test_a_migration_that_fails_leaves_the_store_as_it_was_with_its_copy(tmp_path, monkeypatch):
    path = tmp_path / "noria.db"
    make(path, {"records": 1})
    monkeypatch.setattr(formats, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (x)", "THIS IS NO SQL")))
    before = tables(path)
    for _ in range(2):
        with pytest.raises(Unavailable, match="syntax"):
            Sqlite(path)
    assert tables(path) == before and len(copies(tmp_path)) == 2


def test_without_a_copy_nothing_is_migrated(tmp_path):
    path = tmp_path / "noria.db"
    make(path, {"records": 1})
    (tmp_path / "backups").write_text("in the way")
    before = tables(path)
    with pytest.raises(Unavailable, match="could not be copied"):
        Sqlite(path)
    assert tables(path) == before


def test_only_the_last_copies_are_kept(tmp_path, monkeypatch):
    path = tmp_path / "noria.db"
    make(path, {"records": 1})
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "mine.db").write_text("")
    steps = MIGRATIONS
    for number in range(backups.KEPT + 2):
        steps = (*steps, (f"CREATE TABLE more{number} (x)",))
        monkeypatch.setattr(formats, "MIGRATIONS", steps)
        Sqlite(path).close()
    kept = [name for name in copies(tmp_path) if name != "mine.db"]
    assert len(kept) == backups.KEPT and kept[-1].startswith("noria-0005-before-records.") and "mine.db" in copies(tmp_path)


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_a_newer_store_is_refused_untouched(tmp_path, group):
    path = tmp_path / "noria.db"
    Sqlite(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99" if not group else f"UPDATE formats SET version = 99 WHERE name = '{group}'")
    for look in (behind, Sqlite):
        with pytest.raises(NotAllowed, match=f"{group or 'records'} of format 99"):
            look(path)
    assert copies(tmp_path) == []
