"""A sudden change is seen within rows, and seldom where there is none: by simulation, for each stream and detector."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from noria.core.streaming import StreamState, Usual
from noria.ports import wire
from noria.stages.monitoring import sudden

AT = datetime(2024, 1, 1, tzinfo=UTC)
PER_CHUNK = 60


def stream(subject, random, rows, changed=False):
    """Rows of one chunk; chunks differ a little by themselves."""
    if subject == "errors":
        return (random.random(rows) < (0.06 if changed else 0.004)).astype(float)
    if subject == "latency":
        return 5 * np.exp(random.normal(0, 0.6, rows)) * (12 if changed else 1)
    return random.normal(0.3 + 0.03 * random.normal(), 0.15, rows) + (0.25 if changed else 0.0)


def learnt(subject, detector="cusum", seed=0, rows_between_alarms=1e6):
    random = np.random.default_rng(seed)
    usual = Usual()
    for _ in range(144):
        usual = sudden.learn(usual, stream(subject, random, PER_CHUNK))
    blank = StreamState(loop="l", subject=subject, version=1, until=AT, usual=usual)
    return sudden.begun(blank, detector=detector, rows_between_alarms=rows_between_alarms)


def first_alarm(state, subject, random, chunks, changed):
    for chunk in range(chunks):
        state, at = sudden.seen(state, stream(subject, random, PER_CHUNK, changed))
        if at is not None:
            return chunk * PER_CHUNK + at
    return None


@pytest.mark.parametrize("subject", sudden.STREAMS)
def test_a_change_is_seen_within_minutes_and_nothing_where_there_is_none(subject):
    delays = []
    for seed in range(12):
        state = learnt(subject, seed=seed)
        assert first_alarm(state, subject, np.random.default_rng(100 + seed), 300, changed=False) is None
        delays.append(first_alarm(state, subject, np.random.default_rng(200 + seed), 60, changed=True))
    assert None not in delays
    assert np.median(delays) < {"errors": 300, "latency": 60, "predictions": 120}[subject]


@pytest.mark.parametrize("detector", ["ewma", "page-hinkley", "adwin"])
def test_other_detectors_may_look_too(detector):
    state = learnt("predictions", detector)
    random = np.random.default_rng(7)
    for _ in range(30):
        state, at = sudden.seen(state, stream("predictions", random, PER_CHUNK))
        assert at is None
    assert first_alarm(state, "predictions", random, 60, changed=True) is not None


def test_a_stored_state_goes_on_where_it_was():
    state = learnt("errors")
    random = np.random.default_rng(8)
    parts = [stream("errors", random, PER_CHUNK, changed=True) for _ in range(3)]
    again = state
    for part in parts:
        state, _ = sudden.seen(state, part)
        again, _ = sudden.seen(wire.load(wire.dump(again), StreamState), part)
    assert again == state and len(wire.dump(state)) < 2_000


def test_what_is_usual_is_learnt_chunk_by_chunk_as_at_once():
    random = np.random.default_rng(9)
    chunks = [random.normal(3, 2, 50) for _ in range(8)]
    usual = Usual()
    for chunk in chunks:
        usual = sudden.learn(usual, np.append(chunk, np.nan))
    whole = np.concatenate(chunks)
    assert (usual.rows, usual.blocks) == (400, 8)
    assert usual.mean == pytest.approx(whole.mean()) and usual.spread / usual.rows == pytest.approx(whole.var())
    assert not sudden.enough_learnt(usual, AT, AT + timedelta(days=2), at_least_s=86_400)
    assert sudden.enough_learnt(replace(usual, rows=2_000, blocks=20), AT, AT + timedelta(days=2), at_least_s=86_400)


def test_the_limit_of_a_chunk_lies_between_what_is_usual_and_what_is_feared():
    for subject in sudden.STREAMS:
        state = learnt(subject)
        assert sudden.limit_of(state, 1e9) > state.usual.mean
    state = learnt("errors")
    expected, feared = sudden.rates(state)
    assert expected < sudden.limit_of(state, 1.0) < feared
