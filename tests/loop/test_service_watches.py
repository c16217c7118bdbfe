"""Whole days of a loop whose service, outcomes, answers and features are watched."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from noria.core.moments import to_ms
from noria.core.performance import MaturityCurve
from noria.core.streaming import StreamState
from noria.core.traffic import Prediction, Role
from noria.core.turning import Signal
from noria.core.watching import Incident, Level, Reading
from noria.stages.serving.frames import encode, gathered

WATCH = 'watch=[nr.drift(min_rows=150), nr.quality("roc_auc", drop=0.05, window="5d", min_rows=300), nr.freshness("400d")]'
DAY = timedelta(days=1)


@pytest.fixture
def watched(noria, declaration):
    def born(watches, **how):
        assert WATCH in declaration
        one = noria(declaration=declaration.replace(WATCH, f"watch=[{watches}]"), **how)
        one.be_born()
        return one

    return born


def readings(one, monitor, subject=""):
    found = one.world.documents.find(Reading, where={"loop": "orders", "monitor": monitor})
    return sorted((r for r in found if subject in ("", r.subject)), key=lambda reading: reading.time)


def incidents(one):
    return one.world.documents.find(Incident, where={"loop": "orders", "state": "open"})


def test_what_is_said_comes_true_until_it_does_not(watched):
    one = watched('nr.prediction_bias(by=0.1, window="3d", min_rows=200, k=1, m=1)')
    one.days(4, parts=1)
    assert readings(one, "prediction-bias")[-1].level is Level.OK
    orders = one.shop.orders
    one.shop.orders = lambda day, n: orders(day, n).with_columns(returned=True)
    one.days(5, parts=1)
    told = readings(one, "prediction-bias")[-1]
    assert told.level is Level.BREACH and told.value < -0.1 and "came true" in told.note
    assert [incident.trouble for incident in incidents(one)] == ["model"]


def test_outcomes_that_stop_coming_open_an_incident_that_turns_nothing(watched):
    one = watched('nr.labels(coverage=0.8, delay="36h", k=1, m=1, min_rows=100)')
    one.days(4, parts=1)
    assert readings(one, "label-coverage")[-1].value == 1.0 and readings(one, "label-delay")[-1].level is Level.OK
    curve = one.world.documents.get(MaturityCurve, "orders")
    assert curve is not None and curve.share[-1] > 0.7
    one._tell = lambda: None
    one.days(3, parts=1)
    assert readings(one, "label-coverage")[-1].level is Level.BREACH
    assert [(incident.severity, incident.title) for incident in incidents(one)] == [("notice", "outcomes do not come in")]
    assert not [signal for signal in one.world.documents.find(Signal) if signal.cause != "birth"]


def test_features_that_online_are_not_what_they_are_offline_are_named_with_an_example(watched):
    one = watched("nr.skew(sample=200)")
    one.days(2, parts=1)
    assert {r.subject: r.value for r in readings(one, "skew")[-2:]} == {"heat": 1.0, "ab": 1.0}
    assert readings(one, "view-age")[-1].level is Level.OK and readings(one, "view-missing")[-1].value == 0.0
    town = pl.read_parquet(one.folder / "town.parquet")
    town.with_columns(pl.col("heat") + 1.0).write_parquet(one.folder / "town.parquet")
    one._ask_before, one.wheel._keeper.advance = one._ask, lambda declared, now: None
    one.day(parts=1)
    told = readings(one, "skew", "heat")[-1]
    assert told.level is Level.BREACH and "heat served" in told.note
    assert incidents(one)[0].title == "heat online is not what it is offline"


def test_a_service_that_begins_to_fail_is_told_of_within_the_hour(watched):
    one = watched(
        'nr.errors(every="6h", at_most=0.05, min_rows=20), nr.slow(every="6h", p99_ms=60_000), nr.sudden(every="30m", learn="12h")',
        per_day=1_200,
    )
    one.days(2, parts=48)
    states = {state.subject: state for state in one.world.documents.find(StreamState)}
    assert all(state.ready for state in states.values()) and set(states) == {"errors", "latency", "predictions"}
    assert readings(one, "errors", "failed")[-1].value == 0.0 and readings(one, "latency", "p99")[-1].level is Level.OK
    quiet = len(one.world.documents.find(Incident))
    broken = one.world.clock.now()
    ask = one._ask

    def fail(rows):
        ask(rows)
        frames = gathered([failed(row["order"], one.clock.at) for row in rows.to_dicts()])
        one.journal.append([encode(frame) for frame in frames])
        one.journal.sync()

    one._ask = fail
    one.day(parts=48)
    alarm = next(r for r in readings(one, "sudden-errors") if r.level is Level.BREACH)
    assert alarm.time - broken <= timedelta(hours=1, minutes=30) and "requests failed" in alarm.note
    opened = one.world.documents.find(Incident)[quiet:]
    assert any("began to fail" in incident.title and incident.severity == "page" for incident in opened)


def test_a_process_that_is_killed_between_two_looks_loses_no_row_and_counts_none_twice(watched):
    one = watched('nr.sudden(every="3h", learn="10d")')
    one.days(2, parts=8)
    records, commit, deaths = one.world.records, one.world.records.commit, []

    def dying(*writes):
        if not deaths and any(getattr(write, "kind", "") == "stream" for write in writes):
            deaths.append(one.clock.at)
            raise KeyboardInterrupt("killed before the commit")
        return commit(*writes)

    records.commit = dying
    one.clock.at += timedelta(hours=3)
    with pytest.raises(KeyboardInterrupt):
        one.wheel.once()
    one.settle()
    assert deaths
    for state in one.world.documents.find(StreamState):
        assert state.usual.rows == one.asked and state.until == one.clock.at


def failed(order, at):
    """A request that no version could answer, as the data plane writes it down."""
    return Prediction(
        request_id=f"failed-{order}", deployment="orders", version=1, role=Role.CHAMPION, time_ms=to_ms(at), key=order, inputs={}, served={},
        answer=None, latency_us=900, error="boom",
    )  # fmt: skip
