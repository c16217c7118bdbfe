"""What is the SQLite file's own: its format, its failures, and that searches use an index."""

import os
import sqlite3

import pytest

from noria.adapters.sqlite import Sqlite, formats
from noria.adapters.sqlite.formats import MIGRATIONS
from noria.core.errors import Conflict, NotAllowed, Unavailable
from noria.ports.records import Append, Put

PUT = Put(kind="k", key="a", body=b"1", index={"state": "open", "loop": "l"})


def test_a_file_of_the_first_format_still_opens(tmp_path):
    """The statements of format 1 are written out here: they may never change."""
    path = tmp_path / "noria.db"
    with sqlite3.connect(path) as db:
        db.execute(
            """CREATE TABLE documents (
            kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL, terms TEXT NOT NULL,
            UNIQUE (kind, key))"""
        )
        db.execute(
            """CREATE TABLE terms (
            kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL,
            PRIMARY KEY (kind, name, value, key)) WITHOUT ROWID"""
        )
        db.execute(
            """CREATE TABLE events (
            position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, loop TEXT NOT NULL, kind TEXT NOT NULL,
            subject TEXT NOT NULL, turn TEXT NOT NULL, body BLOB NOT NULL)"""
        )
        db.execute("INSERT INTO documents VALUES ('k', 'a', 7, x'31', '{\"state\": \"open\"}')")
        db.execute("INSERT INTO terms VALUES ('k', 'state', 'open', 'a')")
        db.execute("INSERT INTO events (id, loop, kind, subject, turn, body) VALUES ('e1', 'l', 'k', 's', '', x'32')")
        db.execute("PRAGMA user_version = 1")
    db.close()
    records = Sqlite(path)
    records.commit(Put(kind="k", key="a", body=b"2", index={"state": "closed"}, expect=7))
    assert [record.revision for record in records.find("k", where={"state": "closed"})] == [8]
    assert [line.body for line in records.lines()] == [b"2"]
    records.close()


def test_each_format_leads_to_the_next_and_keeps_what_was_there(tmp_path, monkeypatch):
    old = Sqlite(tmp_path / "noria.db")
    old.commit(PUT)
    old.close()
    monkeypatch.setattr(formats, "MIGRATIONS", (*MIGRATIONS, ("ALTER TABLE events ADD COLUMN extra TEXT", "CREATE TABLE more (x)")))
    for _ in range(2):
        records = Sqlite(tmp_path / "noria.db")
        assert records.get("k", "a").body == b"1"
        records.close()
    with sqlite3.connect(tmp_path / "noria.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    db.close()


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    Sqlite(tmp_path / "noria.db").close()
    monkeypatch.setattr(formats, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (x)", "THIS IS NO SQL")))
    with pytest.raises(Unavailable, match="syntax"):
        Sqlite(tmp_path / "noria.db")
    monkeypatch.undo()
    records = Sqlite(tmp_path / "noria.db")
    records.commit(PUT)
    records.close()


def test_a_file_of_a_newer_noria_is_refused(tmp_path):
    Sqlite(tmp_path / "noria.db").close()
    with sqlite3.connect(tmp_path / "noria.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(NotAllowed, match="format 99"):
        Sqlite(tmp_path / "noria.db")


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path):
    (tmp_path / "noria.db").write_bytes(b"no database, but long enough to look like a header\n" * 20)
    with pytest.raises(Unavailable, match="not a database"):
        Sqlite(tmp_path / "noria.db")


def test_commits_are_synced_in_a_write_ahead_log(tmp_path):
    records = Sqlite(tmp_path / "noria.db")
    with records._connections.one() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    records.close()


def test_every_search_walks_an_index_in_its_order(tmp_path):
    """No full scan and no sorting, whatever is asked for."""
    records, asked = Sqlite(tmp_path / "noria.db"), []
    records.commit(PUT, Append(id="e1", loop="l", kind="k", subject="s", turn="t", body=b"1"))
    with records._connections.one() as db:
        db.set_trace_callback(asked.append)
    for newest_first in (False, True):
        for where in ({}, {"loop": "l"}, {"loop": "l", "state": "open"}):
            records.find("k", where=where, after="A" if not newest_first else "b", newest_first=newest_first)
        for where in ({}, {"loop": "l"}, {"kind": "k"}, {"loop": "l", "kind": "k"}, {"subject": "s"}, {"turn": "t"}):
            records.lines(where=where, newest_first=newest_first)
    records.lines(after=1)
    with records._connections.one() as db:
        db.set_trace_callback(None)
        plans = {query: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")] for query in asked}
    assert len(plans) >= 14
    for query, plan in plans.items():
        assert not [step for step in plan if "TEMP B-TREE" in step or step in ("SCAN d", "SCAN s", "SCAN documents")], (query, plan)
    records.close()


def test_a_refused_commit_does_not_cost_the_connection(tmp_path):
    records = Sqlite(tmp_path / "noria.db")
    records.commit(PUT)
    before = records._pen._db
    with pytest.raises(Conflict):
        records.commit(Put(kind="k", key="a", body=b"2", expect=0))
    assert before is not None and records._pen._db is before
    records.close()


def test_closed_records_open_again_by_themselves(tmp_path):
    records = Sqlite(tmp_path / "deep" / "down" / "noria.db")
    records.commit(PUT)
    records.close()
    assert records.get("k", "a").body == b"1"
    records.close()


def test_a_forked_child_uses_connections_of_its_own(tmp_path):
    records = Sqlite(tmp_path / "noria.db")
    records.commit(PUT)
    child = os.fork()
    if child == 0:
        try:
            records.commit(Put(kind="k", key="a", body=b"child", expect=1))
            os._exit(0 if len(records._connections.inherited) == 2 else 2)
        except BaseException:  # noqa: BLE001
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert records.get("k", "a").body == b"child"
    records.close()
