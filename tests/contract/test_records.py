"""The keepers of records keep the promises of `noria.ports.records`."""

import subprocess
import sys
from pathlib import Path

import pytest

from noria.adapters.sqlite import Sqlite
from noria.core.errors import NotAllowed, Unavailable
from noria.ports.records import Put
from noria.testing.memory import MemoryRecords
from noria.testing.records import RecordsContract, SharedRecordsContract

COUNTER = """
import sys
from pathlib import Path
from noria.core.errors import Conflict
from noria.ports.records import Append, Put
{open}
name, left = sys.argv[1], 30
while left:
    found = records.get("k", "a")
    count, revision = (int(found.body), found.revision) if found else (0, 0)
    id = f"{{name}}-{{left}}"
    try:
        records.commit(
            Put(kind="k", key="a", body=str(count + 1).encode(), expect=revision),
            Append(id=id, loop="l", kind="k", subject="s", turn="", body=b"1"),
        )
    except Conflict:
        continue
    left -= 1
"""


class TestMemory(RecordsContract):
    def open(self, folder: Path) -> MemoryRecords:
        return MemoryRecords()


class TestSqlite(SharedRecordsContract):
    def open(self, folder: Path) -> Sqlite:
        return Sqlite(folder / "noria.db")

    def test_processes_that_create_and_count_together_lose_nothing(self, tmp_path):
        path = tmp_path / "records" / "noria.db"
        _count_in_processes(f"from noria.adapters.sqlite import Sqlite\nrecords = Sqlite(Path({str(path)!r}))", 3)
        records = Sqlite(path)
        assert records.get("k", "a").body == b"90"
        assert len(records.lines()) == 90
        records.close()


@pytest.mark.postgres
class TestPostgres(SharedRecordsContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres):
        self.server = postgres

    def open(self, folder: Path):
        from noria.adapters.postgres import Postgres

        return Postgres(self.url(folder))

    def url(self, folder: Path) -> str:
        return self.server.database(folder)

    def test_processes_that_create_and_count_together_lose_nothing(self, tmp_path):
        _count_in_processes(f"from noria.adapters.postgres import Postgres\nrecords = Postgres({self.url(tmp_path)!r})", 3)
        records = self.open(tmp_path)
        assert records.get("k", "a").body == b"90"
        assert len(records.lines()) == 90
        records.close()

    def test_a_connection_that_was_cut_while_it_lay_idle_is_replaced(self, tmp_path, monkeypatch):
        import psycopg

        monkeypatch.setattr("noria.adapters.postgres._FRESH_S", 0.0)
        records = self.open(tmp_path)
        records.commit(Put(kind="k", key="a", body=b"1"))
        with psycopg.connect(self.server.url, autocommit=True) as db:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        records.commit(Put(kind="k", key="a", body=b"2", expect=1))
        assert records.get("k", "a").body == b"2"
        records.close()

    def test_a_connection_that_is_cut_in_use_says_so_and_the_next_call_goes_on(self, tmp_path):
        import psycopg

        records = self.open(tmp_path)
        with psycopg.connect(self.server.url, autocommit=True) as db:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(Unavailable, match="does not answer"):
            records.commit(Put(kind="k", key="a", body=b"1"))
        records.commit(Put(kind="k", key="a", body=b"1", expect=0))
        records.close()

    def test_what_a_migration_would_do_is_told_and_the_copy_is_asked_for(self, tmp_path, capsys):
        import psycopg
        import typer

        from noria.adapters.postgres import Postgres, waiting
        from noria.app.settings import Settings, keep
        from noria.cli.migrating import migrate
        from noria.ports.relations import GROUPS

        url = self.url(tmp_path)
        assert waiting(url) == []
        records = Postgres(url)
        records.commit(Put(kind="k", key="a", body=b"1"))
        records.close()
        with psycopg.connect(url, autocommit=True) as db:  # as the first Noria left it: records alone
            db.execute("DROP TABLE noria_formats")
            known = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'noria%'").fetchall()
            for (name,) in known:
                if name not in ("noria_format", "noria_documents", "noria_terms", "noria_events"):
                    db.execute(f"DROP TABLE {name} CASCADE")
        assert {one.group for one in waiting(url)} == set(GROUPS)
        home = keep(Settings(home=str(tmp_path / "home"), records=url)).folder
        with pytest.raises(typer.Exit):
            migrate(home=home)
        assert "pg_dump -Fc" in capsys.readouterr().err
        migrate(home=home, yes=True)
        assert waiting(url) == []
        records = Postgres(url)
        assert records.get("k", "a").body == b"1"
        records.close()

    def test_each_format_leads_to_the_next_and_a_newer_one_is_refused(self, tmp_path, monkeypatch):
        from noria.adapters.postgres import formats

        old = self.open(tmp_path)
        old.commit(Put(kind="k", key="a", body=b"1"))
        old.close()
        with monkeypatch.context() as patch:
            patch.setattr(formats, "MIGRATIONS", (*formats.MIGRATIONS, ("ALTER TABLE noria_events ADD COLUMN extra text",)))
            for _ in range(2):
                records = self.open(tmp_path)
                assert records.get("k", "a").body == b"1"
                records.close()
        with pytest.raises(NotAllowed, match="format 2"):
            self.open(tmp_path)

    def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told(self, tmp_path):
        from noria.adapters.postgres import Postgres

        with pytest.raises(Unavailable, match="database noria does not answer") as caught:
            Postgres(f"postgresql://ada:secret-word@/noria?host={tmp_path}")
        assert "secret-word" not in str(caught.value)


def _count_in_processes(opening: str, processes: int) -> None:
    script = COUNTER.format(open=opening)
    running = [subprocess.Popen([sys.executable, "-c", script, f"p{n}"]) for n in range(processes)]
    assert [process.wait(60) for process in running] == [0] * processes
