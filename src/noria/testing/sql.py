"""What every relational database promises, as a test class to inherit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from noria.core.errors import Conflict
from noria.ports.records import Append, Put
from noria.ports.sql import Tx
from noria.ports.store import Store

_ADD = "INSERT INTO noria_metric_names (name) VALUES (?) RETURNING id"
_ALL = "SELECT name FROM noria_metric_names ORDER BY id"


class SqlContract:
    """Inherit as `class TestMine(SqlContract)` and say how a database is opened."""

    @abstractmethod
    def open(self, folder: Path) -> Store:
        """A database that is kept under `folder`, or named after it; empty the first time."""

    @pytest.fixture
    def sql(self, tmp_path: Path) -> Iterator[Store]:
        """A fresh, empty database."""
        sql = self.open(tmp_path / "sql")
        yield sql
        getattr(sql, "close", lambda: None)()

    def test_what_a_work_wrote_is_read_and_its_value_returned(self, sql: Store) -> None:
        first = sql.write(lambda tx: tx.run(_ADD, ("loss",))[0][0])
        second = sql.write(lambda tx: tx.run(_ADD, ("ünï '?' %s",))[0][0], durable=False)
        assert second > first
        assert sql.read(_ALL) == [("loss",), ("ünï '?' %s",)]
        assert sql.read("SELECT id FROM noria_metric_names WHERE name = ?", ("loss",)) == [(first,)]

    def test_a_work_sees_what_it_wrote_and_many_rows_are_written_at_once(self, sql: Store) -> None:
        def work(tx: Tx) -> int:
            tx.many("INSERT INTO noria_metric_names (name) VALUES (?)", [(f"m{n}",) for n in range(50)])
            return len(tx.run(_ALL))

        assert sql.write(work) == 50

    def test_what_a_work_raises_undoes_it_alone_and_the_next_goes_on(self, sql: Store) -> None:
        def fails(tx: Tx) -> None:
            tx.run(_ADD, ("lost",))
            raise LookupError("no")

        with pytest.raises(LookupError):
            sql.write(fails)
        sql.write(lambda tx: tx.run(_ADD, ("kept",)))
        assert sql.read(_ALL) == [("kept",)]

    def test_documents_and_events_are_filed_with_the_rows_or_not_at_all(self, sql: Store) -> None:
        sql.commit(Put(kind="k", key="a", body=b"1"))

        def work(tx: Tx) -> None:
            tx.run(_ADD, ("with",))
            tx.file(Append(id="e1", loop="l", kind="k", subject="s", turn="", body=b"1"), Put(kind="k", key="a", body=b"2", expect=7))

        with pytest.raises(Conflict):
            sql.write(work)
        assert (sql.read(_ALL), sql.lines()) == ([], [])

        def right(tx: Tx) -> None:
            tx.run(_ADD, ("with",))
            tx.file(Put(kind="k", key="a", body=b"2", expect=1))

        sql.write(right)
        found = sql.get("k", "a")
        assert sql.read(_ALL) == [("with",)] and found is not None and found.body == b"2"

    def test_works_of_many_threads_are_all_done_and_those_that_fail_fail_alone(self, sql: Store) -> None:
        def work(n: int) -> str:
            def one(tx: Tx) -> str:
                tx.run(_ADD, (f"m{n}",))
                if n % 5 == 0:
                    raise ValueError(str(n))
                return f"m{n}"

            try:
                return sql.write(one, durable=n % 2 == 0)
            except ValueError as error:
                return f"failed {error}"

        with ThreadPoolExecutor(16) as pool:
            said = list(pool.map(work, range(200)))
        assert said == [f"failed {n}" if n % 5 == 0 else f"m{n}" for n in range(200)]
        assert {name for (name,) in sql.read(_ALL)} == {f"m{n}" for n in range(200) if n % 5}

    def test_an_attempt_does_each_work_alone_or_nothing_at_all(self, sql: Store) -> None:
        def fails(tx: Tx) -> None:
            tx.run(_ADD, ("lost",))
            raise LookupError("no")

        outcomes = sql.attempt([lambda tx: tx.run(_ADD, ("a",)), fails, lambda tx: len(tx.run(_ALL))])
        if outcomes is None:
            assert sql.read(_ALL) == []
        else:
            assert [type(outcome.error) for outcome in outcomes] == [type(None), LookupError, type(None)]
            assert outcomes[2].value == 1 and sql.read(_ALL) == [("a",)]

    def test_an_attempt_does_not_wait_for_whoever_writes(self, sql: Store) -> None:
        began, end = Event(), Event()

        def long(tx: Tx) -> None:
            tx.run(_ADD, ("long",))
            began.set()
            assert end.wait(60)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(sql.write, long)
            assert began.wait(60)
            assert sql.attempt([lambda tx: tx.run(_ADD, ("quick",))]) is None
            end.set()
            writing.result(60)
        assert sql.read(_ALL) == [("long",)]

    @pytest.mark.parametrize(
        ("pattern", "case", "found"),
        [
            ("Loss%", True, {"Loss_1"}),
            ("loss%", False, {"Loss_1", "loss*2"}),
            ("%*%", True, {"loss*2"}),
            ("loss__", True, {"loss*2"}),
            ("%[x]%", True, {"a[x]?"}),
            ("%]?", True, {"a[x]?"}),
            ("b\\c", False, {"b\\c"}),
            ("b\\%", True, {"b\\c"}),
        ],
    )
    def test_patterns_tell_cases_apart_where_they_are_asked_to(self, sql: Store, pattern: str, case: bool, found: set[str]) -> None:
        sql.write(lambda tx: tx.many("INSERT INTO noria_metric_names (name) VALUES (?)", [("Loss_1",), ("loss*2",), ("a[x]?",), ("b\\c",)]))
        test, arg = sql.dialect.like("name", pattern, case=case)
        assert {name for (name,) in sql.read(f"SELECT name FROM noria_metric_names WHERE {test}", (arg,))} == found

    def test_values_are_found_whole_however_long_they_are(self, sql: Store) -> None:
        texts = ["a", "a" * 8_000, "a" * 7_999 + "b", "ü" * 300]
        sql.write(lambda tx: tx.many("INSERT INTO noria_tags VALUES (?, 'k', ?)", list(enumerate(texts))))
        for n, text in enumerate(texts):
            test, args = sql.dialect.equal("value", text)
            assert sql.read(f"SELECT run FROM noria_tags WHERE {test}", args) == [(n,)]

    def test_regular_expressions_are_found_anywhere(self, sql: Store) -> None:
        sql.write(lambda tx: tx.many("INSERT INTO noria_metric_names (name) VALUES (?)", [("val_loss",), ("loss2",)]))
        query = f"SELECT name FROM noria_metric_names WHERE {sql.dialect.matches('name')}"
        assert sql.read(query, ("_lo+s{2}$",)) == [("val_loss",)]

    def test_flushing_keeps_everything(self, sql: Store) -> None:
        sql.write(lambda tx: tx.run(_ADD, ("kept",)), durable=False)
        sql.flush()
        assert sql.read(_ALL) == [("kept",)]
