from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.watching import Level
from noria.stages.monitoring.arrivals import FEWEST_CHUNKS, look, readings
from noria.stages.monitoring.causes import arrival

START = datetime(2013, 4, 1, tzinfo=UTC)
BORN = datetime(2013, 5, 25, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MS = pl.Datetime("ms", "UTC")


def hourly(days, *, late_from=None, late=6 * HOUR, stops=None, every=HOUR, seed=1, delay=timedelta(minutes=5)):
    random = np.random.default_rng(seed)
    times = [START + n * every for n in range(int(days * DAY / every))]
    if stops:
        times = [one for one in times if one < stops]
    seen = [one + delay * float(random.lognormal(0, 0.3)) + (late if late_from and one >= late_from else timedelta()) for one in times]
    return pl.DataFrame({"time": times, "seen": seen}, schema={"time": MS, "seen": MS})


def looked(rows, at, *, every=DAY, floor=timedelta(minutes=15)):
    return look(rows, dataset="weather", at=at, every=every, usual_until=BORN, floor=floor)


def test_rows_that_come_as_they_used_to_are_neither_late_nor_stale():
    seen = looked(hourly(80), datetime(2013, 6, 10, tzinfo=UTC))
    late, stale = readings(seen, loop="l", delayed=True)
    assert (late.level, stale.level) == (Level.OK, Level.OK)
    assert late.value == pytest.approx(5 / 60, rel=0.1) and seen.rows == 24 and seen.delay.since is None
    assert arrival(["visibility"], seen) is None


def test_rows_that_come_six_hours_late_are_late_since_then_and_it_is_said_as_people_say_it():
    seen = looked(hourly(80, late_from=datetime(2013, 6, 3, tzinfo=UTC)), datetime(2013, 6, 10, tzinfo=UTC))
    late, _ = readings(seen, loop="l", delayed=True)
    assert late.level is Level.BREACH and late.value == pytest.approx(6.08, abs=0.05) and late.effect > 5
    assert seen.delay.since == datetime(2013, 6, 3, tzinfo=UTC)
    found = arrival(["visibility"], seen)
    assert found is not None and found.kind == "late"
    assert found.text == "`visibility` from weather arrives 6h late since 3 June: 6h after it happened, usually 5m"
    assert found.numbers["delay h"] == pytest.approx(6.08, abs=0.05)
    two = arrival(["visibility", "wind", "temp"], seen)
    assert two is not None and two.text.startswith("`visibility` and `wind` and 1 more from weather arrive 6h")


def test_a_dataset_that_stops_is_stale_and_its_last_row_is_named():
    seen = looked(hourly(80, stops=datetime(2013, 6, 3, 12, tzinfo=UTC)), datetime(2013, 6, 10, tzinfo=UTC))
    late, stale = readings(seen, loop="l", delayed=True)
    assert late.level is Level.NOT_ENOUGH and stale.level is Level.BREACH
    assert seen.newest == datetime(2013, 6, 3, 11, tzinfo=UTC)
    found = arrival(["visibility"], seen)
    assert found is not None and found.kind == "stale" and "nothing new since 3 June 11:00" in found.text


def test_a_dataset_that_hardly_ever_changes_is_never_stale():
    rows = pl.DataFrame({"time": [START], "seen": [START]}, schema={"time": MS, "seen": MS})
    _, stale = readings(looked(rows, datetime(2013, 6, 10, tzinfo=UTC)), loop="l", delayed=True)
    assert stale.level is Level.NOT_ENOUGH


def test_what_is_not_known_yet_does_not_count_and_too_little_past_says_nothing():
    rows = hourly(80)
    seen = looked(rows, datetime(2013, 6, 10, tzinfo=UTC))
    assert seen.newest is not None and seen.newest < datetime(2013, 6, 10, tzinfo=UTC)
    few = rows.filter(pl.col("time") > BORN - (FEWEST_CHUNKS - 1) * DAY)
    assert {one.level for one in readings(looked(few, datetime(2013, 6, 10, tzinfo=UTC)), loop="l", delayed=True)} == {Level.NOT_ENOUGH}
    empty = looked(rows.head(0), datetime(2013, 6, 10, tzinfo=UTC))
    assert {one.level for one in readings(empty, loop="l", delayed=True)} == {Level.NOT_ENOUGH} and empty.newest is None


def test_a_dataset_that_does_not_say_when_it_became_known_has_no_delay():
    (stale,) = readings(looked(hourly(80), datetime(2013, 6, 10, tzinfo=UTC)), loop="l", delayed=False)
    assert stale.monitor == "stale"


def test_quiet_feeds_alert_less_than_once_in_a_loops_year():
    """False alarms: delays whose days go together (sd 0.35 of the logarithm, 0.5 from day to day), 2 of 3 days, 20 feeds, 100 days each."""
    alerts = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        of_day = np.zeros(160)
        for day in range(1, 160):
            of_day[day] = 0.5 * of_day[day - 1] + random.normal(0, 0.3)
        times = np.arange(160 * 24)
        delay_s = 1_800 * np.exp(of_day[times // 24] + random.normal(0, 0.4, len(times)))
        begin = np.datetime64("2013-04-01", "ms")
        moments = begin + (times * 3_600_000).astype("timedelta64[ms]")
        rows = pl.DataFrame({"time": moments, "seen": moments + (delay_s * 1000).astype("timedelta64[ms]")}).with_columns(
            pl.all().dt.replace_time_zone("UTC")
        )
        seen = look(rows, dataset="d", at=START + 160 * DAY, every=DAY, usual_until=START + 60 * DAY, floor=timedelta(minutes=15))
        late = np.array(seen.delay.values[-100:]) > seen.delay.limit
        alerts += int(np.count_nonzero(late[1:] & late[:-1]))
    assert alerts <= 4
