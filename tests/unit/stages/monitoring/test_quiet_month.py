"""A simulated world whose days go together as weather does: alerts when it drifts, none when it does not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from noria.core.schema import Field, Kind
from noria.core.watching import MonitorState
from noria.stages.monitoring import drift, incidents, reference, states

START = datetime(2013, 1, 1, tzinfo=UTC)
REFERENCE_DAYS, ROWS = 90, 300
WEATHER, PLAIN = ("temp", "dewp", "humid", "wind", "pressure"), ("distance", "hour")
FEATURES = (*WEATHER, *PLAIN)


def weather(rng, days, *, persistence=0.7):
    noise = rng.normal(size=(days, len(WEATHER) + 1))
    for day in range(1, days):
        noise[day] = persistence * noise[day - 1] + np.sqrt(1 - persistence**2) * noise[day]
    return np.sqrt(0.7) * noise[:, 1:] + np.sqrt(0.3) * noise[:, :1]


def world(seed, days, *, warming=0.0):
    rng = np.random.default_rng(seed)
    of_day = weather(rng, days)
    of_day[REFERENCE_DAYS:, :2] += warming * np.arange(1, days - REFERENCE_DAYS + 1)[:, None]
    rows = np.sqrt(0.8) * np.repeat(of_day, ROWS, axis=0) + np.sqrt(0.2) * rng.normal(size=(days * ROWS, len(WEATHER)))
    table = dict(zip(WEATHER, rows.T, strict=True)) | {name: rng.normal(size=days * ROWS) for name in PLAIN}
    times = np.datetime64("2013-01-01", "ms") + (np.arange(days * ROWS) * (86_400_000 // ROWS)).astype("timedelta64[ms]")
    return pl.DataFrame({"__time": times, **table})


def watched(seed, days, *, warming=0.0):
    """Incidents by id, and the day on which each first became a page, of the days after the reference."""
    frame = world(seed, REFERENCE_DAYS + days, warming=warming)
    importance = dict.fromkeys(FEATURES, 1 / len(FEATURES))
    fields = [Field(name=name, kind=Kind.FLOAT) for name in FEATURES]
    compared = reference.build(frame.head(REFERENCE_DAYS * ROWS), fields, importance=importance, scores=None, score_times=None, quality={})
    known, monitors, pages = {}, {}, {}
    for day in range(REFERENCE_DAYS, REFERENCE_DAYS + days):
        at = START + timedelta(days=day + 1)
        readings = drift.measure(compared, frame.slice(day * ROWS, ROWS), loop="l", at=at)
        for reading in readings:
            place = (reading.monitor, reading.subject)
            state = monitors.get(place) or MonitorState(loop="l", monitor=reading.monitor, subject=reading.subject)
            monitors[place] = states.advance(state, reading, k=3, m=5)
        still_open = [one for one in known.values() if one.closed_at is None]
        for one in incidents.update(
            still_open, list(monitors.values()), readings, loop="l", at=at, importance=importance, new_id=lambda: f"incident_{len(known)}"
        ):
            known[one.id] = one
            if one.severity == incidents.PAGE:
                pages.setdefault(one.id, day - REFERENCE_DAYS)
    return known, pages


def test_a_quiet_month_has_at_most_one_false_incident_and_most_have_none():
    months = [watched(seed, 30) for seed in range(30)]
    assert max(len(known) for known, _ in months) <= 1
    assert sum(len(known) for known, _ in months) <= 6
    assert sum(len(pages) for _, pages in months) <= 2


def test_a_season_that_creeps_in_becomes_a_page_and_stays_one_incident():
    for seed in range(3):
        known, pages = watched(seed, 100, warming=0.06)
        assert min(pages.values()) < 75
        assert len(known) <= 2
