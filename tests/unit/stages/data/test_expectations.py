"""Expectations: each check, what it forgives, and a report that stays readable."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from noria.adapters.files import Files
from noria.core.declaration import expectations as expect
from noria.core.declaration.dataset import Dataset
from noria.stages.data.expectations import check, describe
from noria.stages.data.versions import snapshot

START = datetime(2013, 1, 1, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "id": ["a", "b", "c", "c"],
        "at": [START, START, START, START + timedelta(days=2)],
        "n": [1, 2, 300, None],
        "x": [0.5, -1.0, None, None],
        "flag": [True, False, True, None],
    }
)
DATASET = Dataset("things", ROWS, key="id", time="at")


@pytest.fixture
def report(tmp_path):
    blobs = Files(tmp_path / "blobs")
    version = snapshot(DATASET, blobs=blobs, at=START, scratch=tmp_path)
    return lambda *expectations: check(version, expectations, blobs=blobs, at=START + timedelta(days=5))


@pytest.mark.parametrize(
    "expectation",
    [
        expect.not_null("id"),
        expect.not_null("x", share=0.5),
        expect.between("n", 1, 300),
        expect.between("x", high=0.5),
        expect.between("n", 0, 100, share=0.25),
        expect.one_of("id", ["a", "b", "c"]),
        expect.one_of("n", [1, 2, 300.0]),
        expect.one_of("flag", [True, False]),
        expect.unique("n"),
        expect.unique("id", share=0.25),
        expect.kind("x", "float"),
        expect.fresh("at", "3d"),
    ],
)
def test_what_holds_is_no_miss(report, expectation):
    found = report(expectation)
    assert found.passed, describe(found)


@pytest.mark.parametrize(
    ("expectation", "rows", "said", "examples"),
    [
        (expect.not_null("x"), 2, "2 of 4 rows have no value", ()),
        (expect.between("n", 0, 100), 1, "are outside", ("300",)),
        (expect.between("x", low=0), 1, "are outside", ("-1.0",)),
        (expect.between("id", 0, 1), 4, "holds text, not numbers", ()),
        (expect.one_of("id", ["a", "b"]), 2, "are none of them", ("'c'",)),
        (expect.one_of("flag", [True]), 1, "are none of them", ("False",)),
        (expect.one_of("n", ["one"]), 3, "are none of them", ("1", "2", "300")),
        (expect.unique("id"), 1, "repeat a value", ("'c'",)),
        (expect.kind("n", "float"), 4, "holds int", ()),
        (expect.fresh("at", "2d"), 1, "the newest is 3d old", ()),
        (expect.fresh("n", "2d"), 4, "not times", ()),
        (expect.not_null("nothing"), 0, "no such column", ()),
    ],
)
def test_what_does_not_hold_is_a_miss_with_its_numbers(report, expectation, rows, said, examples):
    (miss,) = report(expectation).misses
    assert (miss.column, miss.rows, miss.examples) == (expectation.column, rows, examples)
    assert said in miss.found


def test_a_report_is_bounded_text_however_much_was_missed(report):
    found = report(*[expect.one_of("id", [f"{n}" * 500]) for n in range(300)])
    text = describe(found)
    assert len(text) <= 2_000
    assert text.startswith("things: 300 of 300 expectations missed")


def test_an_empty_version_is_not_fresh_and_misses_nothing_else(tmp_path):
    blobs = Files(tmp_path / "blobs")
    version = snapshot(Dataset("things", ROWS.head(0), key="id", time="at"), blobs=blobs, at=START, scratch=tmp_path)
    found = check(version, [expect.not_null("id"), expect.unique("id"), expect.fresh("at", "2d")], blobs=blobs, at=START)
    assert [miss.found for miss in found.misses] == ["there is no time in it"]
    assert "all 0 expectations met" in describe(check(version, [], blobs=blobs, at=START))
