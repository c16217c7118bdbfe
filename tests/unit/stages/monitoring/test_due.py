from datetime import UTC, datetime, timedelta

import pytest

from noria.stages.monitoring.due import due_chunks

START = datetime(2013, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_only_closed_chunks_are_due_and_they_leave_no_gap():
    found = due_chunks(None, START + 2.9 * DAY, DAY, START)
    assert found == [(START, START + DAY), (START + DAY, START + 2 * DAY)]


def test_looking_goes_on_where_it_ended():
    assert due_chunks(START + DAY, START + 3 * DAY, DAY, START) == [(START + DAY, START + 2 * DAY), (START + 2 * DAY, START + 3 * DAY)]
    assert due_chunks(START + DAY, START + DAY, DAY, START) == []


def test_a_clock_before_the_start_has_nothing_due():
    assert due_chunks(None, START - DAY, DAY, START) == []


def test_chunks_without_length_are_refused():
    with pytest.raises(ValueError, match="never end"):
        due_chunks(None, START, timedelta(0), START)
