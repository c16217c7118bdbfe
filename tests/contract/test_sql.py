"""The databases keep the promises of `noria.ports.sql`."""

from pathlib import Path

import pytest

from noria.adapters.sqlite import Sqlite
from noria.testing.sql import SqlContract


class TestSqlite(SqlContract):
    def open(self, folder: Path) -> Sqlite:
        return Sqlite(folder / "noria.db")

    def test_an_attempt_writes_at_once_where_nobody_else_does(self, sql):
        assert sql.attempt([lambda tx: 7])[0].value == 7

    def test_an_attempt_does_not_wait_for_another_process(self, sql, tmp_path):
        other = Sqlite(tmp_path / "sql" / "noria.db")
        assert other.write(lambda tx: sql.attempt([lambda tx: 7])) is None
        other.close()
        assert sql.attempt([lambda tx: 7])[0].value == 7

    def test_works_that_wait_together_share_a_commit(self, sql):
        """Counted by the log's own frames: one commit of many works is one frame of commit."""
        commits = []
        sql.write(lambda tx: None)
        sql._pen._db.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)
        jobs = [lambda tx, n=n: tx.run("INSERT INTO noria_metric_names (name) VALUES (?)", (str(n),)) for n in range(5)]
        assert len(sql.attempt(jobs)) == 5
        assert commits == ["COMMIT"]


@pytest.mark.postgres
class TestPostgres(SqlContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres):
        self.server = postgres

    def open(self, folder: Path):
        from noria.adapters.postgres import Postgres

        return Postgres(self.server.database(folder))
