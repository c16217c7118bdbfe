from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import noria as nr
from noria.core.alerting import Silence
from noria.stages.monitoring.silences import silenced

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def silence(**how):
    given = {"id": "s", "loop": "l", "since": MONDAY + 14 * HOUR, "until": MONDAY + 16 * HOUR, "by": "ada", "because": "move"}
    return Silence(**given | how)


def test_a_silence_covers_the_chunk_that_any_of_it_lies_in():
    assert silenced([silence()], "drift", "x", MONDAY, MONDAY + DAY)
    assert silenced([silence()], "drift", "x", MONDAY + 15 * HOUR, MONDAY + 15.5 * HOUR)
    assert not silenced([silence()], "drift", "x", MONDAY + 16 * HOUR, MONDAY + DAY)
    assert not silenced([silence()], "drift", "x", MONDAY, MONDAY + 13 * HOUR)


def test_one_that_was_ended_early_ends_then():
    ended = silence(ended_at=MONDAY + 15 * HOUR)
    assert not silenced([ended], "drift", "x", MONDAY + 15 * HOUR, MONDAY + DAY)
    assert silenced([ended], "drift", "x", MONDAY, MONDAY + DAY)


def test_it_may_be_about_one_monitor_or_one_subject():
    chunk = (MONDAY, MONDAY + DAY)
    assert silenced([silence(monitor="drift")], "drift", "x", *chunk) and not silenced([silence(monitor="drift")], "missing", "x", *chunk)
    assert silenced([silence(subject="x")], "missing", "x", *chunk) and not silenced([silence(subject="x")], "drift", "y", *chunk)


@pytest.mark.parametrize(
    ("quiet", "start", "end", "met"),
    [
        (nr.Quiet("02:00", "4h"), MONDAY + 3 * HOUR, MONDAY + 4 * HOUR, True),
        (nr.Quiet("02:00", "4h"), MONDAY + 6 * HOUR, MONDAY + 20 * HOUR, False),
        (nr.Quiet("22:00", "4h"), MONDAY, MONDAY + HOUR, True),
        (nr.Quiet("sat 22:00", "8h"), MONDAY + 5 * DAY, MONDAY + 6 * DAY, True),
        (nr.Quiet("sat 22:00", "8h"), MONDAY + 6 * DAY + 5 * HOUR, MONDAY + 7 * DAY, True),
        (nr.Quiet("sat 22:00", "8h"), MONDAY + 7 * DAY, MONDAY + 8 * DAY, False),
        (nr.Quiet("2024-01-03", "1d"), MONDAY + 2 * DAY, MONDAY + 3 * DAY, True),
        (nr.Quiet("2024-01-03 18:00", "1d"), MONDAY, MONDAY + 2 * DAY, False),
        (nr.Quiet("2024-01-03 18:00", "1d"), MONDAY + 4 * DAY, MONDAY + 5 * DAY, False),
        (nr.Quiet("03:00", "1h", zone="Europe/Berlin"), MONDAY + 2 * HOUR, MONDAY + 2.5 * HOUR, True),
    ],
)
def test_expected_trouble_comes_daily_weekly_or_once(quiet, start, end, met):
    assert quiet.meets(start, end) is met


@given(st.integers(0, 400), st.integers(1, 30), st.integers(1, 48))
def test_a_daily_quiet_time_meets_every_chunk_of_a_day_and_more(hours, length, more):
    start = MONDAY + hours * HOUR
    assert nr.Quiet("13:30", timedelta(hours=length)).meets(start, start + DAY + more * HOUR)


@pytest.mark.parametrize("at", ["sometime", "xyz 02:00", "2024-13-01", "25:00"])
def test_a_beginning_that_is_none_is_refused(at):
    with pytest.raises(ValueError):
        nr.Quiet(at, "1h")


def test_an_unknown_zone_is_refused():
    with pytest.raises(Exception, match="Nowhere"):
        nr.Quiet("02:00", "1h", zone="Nowhere/Land")
