"""Searches of traces walk their indexes."""

import pytest

from noria.adapters.sqlite import Sqlite
from noria.ledger.traces import filters


@pytest.fixture
def sql(tmp_path):
    found = Sqlite(tmp_path / "noria.db")
    yield found
    found.close()


@pytest.mark.parametrize(
    "filter, index",
    [
        ("tags.team = 'a'", "noria_trace_tags_by_value (key=? AND <expr>=?"),
        ("metadata.who = 'a'", "noria_trace_metadata_by_value (key=? AND <expr>=?"),
        ("span.name = 'a'", "noria_spans_by_name (<expr>=?"),
        ("span.type = 'a'", "noria_spans_by_type (type=?"),
        ("feedback.good = 'true'", "noria_assessments_by_name (kind=? AND <expr>=?"),
    ],
)
def test_what_few_traces_have_is_found_by_an_index(sql, filter, index):
    (test,) = filters.tests_of(filter, sql.dialect)
    for query in (test.listed, f"SELECT 1 FROM noria_traces t WHERE {test.sql}"):
        plan = [row[3] for row in sql.read(f"EXPLAIN QUERY PLAN {query}", test.args)]
        assert any(index in step for step in plan) or any("(trace=?" in step for step in plan), plan
        assert not any(step.startswith(("SCAN s", "SCAN x", "SCAN a")) for step in plan), plan
