from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.watching import Level, MonitorPhase, MonitorState, Reading
from noria.stages.monitoring.states import ALERTING, advance, relevel

START = datetime(2013, 4, 1, tzinfo=UTC)
NEW = MonitorState(loop="late-arrival", monitor="drift", subject="temp")


def reading(level: Level, day: int = 0, effect: float = -1.0) -> Reading:
    return Reading(
        loop="late-arrival",
        monitor="drift",
        subject="temp",
        time=START + timedelta(days=day),
        value=0.0,
        threshold=0.1,
        level=level,
        rows=900,
        effect=effect,
    )


def run(levels, k=3, m=5, state=NEW):
    for day, level in enumerate(levels):
        state = advance(state, reading(level, day), k=k, m=m)
    return state


def test_one_breach_is_pending_and_three_of_five_fire():
    assert run([Level.BREACH]).phase is MonitorPhase.PENDING
    fired = run([Level.BREACH, Level.OK, Level.BREACH, Level.OK, Level.BREACH])
    assert fired.phase is MonitorPhase.FIRING
    assert fired.since == START + timedelta(days=4)


def test_breaches_further_apart_than_the_window_never_fire():
    assert run([Level.BREACH, Level.OK, Level.OK, Level.BREACH, Level.OK, Level.OK] * 4).phase is MonitorPhase.PENDING


def test_it_recovers_only_after_k_clean_readings_in_a_row():
    fired = [Level.BREACH] * 5
    assert run([*fired, Level.OK]).phase is MonitorPhase.RECOVERING
    assert run([*fired, Level.OK, Level.OK, Level.BREACH]).phase is MonitorPhase.FIRING
    well = run([*fired, Level.OK, Level.OK, Level.OK])
    assert well.phase is MonitorPhase.OK
    assert run([Level.BREACH], state=well).phase is MonitorPhase.PENDING


def test_an_alerting_monitor_is_clean_only_well_within_its_limit():
    fired = run([Level.BREACH] * 3)
    assert relevel(fired, reading(Level.OK, effect=-0.1)).level is Level.BREACH
    assert relevel(fired, reading(Level.OK, effect=-0.3)).level is Level.OK
    assert relevel(NEW, reading(Level.OK, effect=-0.1)).level is Level.OK


def test_a_monitor_that_needs_one_breach_clears_at_the_first_clean_reading():
    assert run([Level.BREACH], k=1, m=1).phase is MonitorPhase.FIRING
    assert run([Level.BREACH, Level.OK], k=1, m=1).phase is MonitorPhase.OK


levels = st.lists(st.sampled_from([Level.OK, Level.BREACH, Level.NOT_ENOUGH]), max_size=40)
sizes = st.integers(1, 5).flatmap(lambda k: st.tuples(st.just(k), st.integers(k, 7)))


@settings(max_examples=50, deadline=None)
@given(levels, sizes)
def test_not_enough_data_neither_breaches_nor_clears(seen, size):
    k, m = size
    known = [level for level in seen if level is not Level.NOT_ENOUGH]
    assert replace(run(seen, k, m), since=None) == replace(run(known, k, m), since=None)


@settings(max_examples=50, deadline=None)
@given(levels, sizes)
def test_every_step_follows_the_ring_of_phases(seen, size):
    k, m = size
    state, clean = NEW, 0
    for level in seen:
        after = advance(state, reading(level), k=k, m=m)
        clean = clean if level is Level.NOT_ENOUGH else clean + 1 if level is Level.OK else 0
        assert len(after.recent) <= m
        if after.phase is MonitorPhase.FIRING and state.phase not in ALERTING:
            assert after.recent.count(Level.BREACH) >= k
        if state.phase in ALERTING and after.phase not in ALERTING:
            assert after.phase is MonitorPhase.OK and clean >= k
        if after.phase is MonitorPhase.RECOVERING:
            assert state.phase in ALERTING
        state = after
