"""Realised quality as of any date, of a loop that really serves."""

from __future__ import annotations

from datetime import timedelta

from noria.loop.performance import realised_as_of

DAY = timedelta(days=1)


def test_a_report_as_of_a_date_is_the_one_that_was_written_on_that_date(noria):
    one = noria()
    one.be_born()
    one.days(4)
    on_that_day = one.world.clock.now()
    then = realised_as_of(one.world, "orders", window=DAY, delay=DAY)
    one.days(3)
    assert realised_as_of(one.world, "orders", as_of=on_that_day, window=DAY, delay=DAY) == then
    now = realised_as_of(one.world, "orders", window=DAY, delay=DAY)
    assert len(now.windows) == len(then.windows) + 3
    assert [window.mature for window in now.windows] == [True] * 6 + [False]
    assert now.windows[0].labelled == 300 and now.windows[-1].labelled == 0
    assert DAY.total_seconds() <= now.curve.median_s < 1.5 * DAY.total_seconds()
    assert 0.6 < now.windows[0].quality.value < 0.95
