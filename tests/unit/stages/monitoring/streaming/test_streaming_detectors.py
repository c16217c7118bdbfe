import json
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.streaming import AdwinState, CusumState, EwmaState, PageHinkleyState
from noria.ports import wire
from noria.stages.monitoring.streaming import adwin, cusum, ewma, page_hinkley

SHARES = st.lists(st.floats(0, 1), min_size=0, max_size=300)
CUTS = st.lists(st.integers(0, 300), max_size=5)
DETECTORS = {
    "adwin": (adwin.advance, AdwinState(delta=0.2, block=4)),
    "cusum": (cusum.advance, CusumState(slack=0.1, limit=2.0)),
    "ewma": (ewma.advance, EwmaState(weight=0.2, width=1.5)),
    "page-hinkley": (page_hinkley.advance, PageHinkleyState(slack=0.02, limit=2.0)),
}


def in_parts(advance, state, values, cuts):
    """The same values in several passes, the state stored and read back between them."""
    first, start = None, 0
    for end in sorted({min(cut, len(values)) for cut in cuts} | {len(values)}):
        state, alarm = advance(wire.load(wire.dump(state), type(state)), np.array(values[start:end]))
        first = start + alarm if first is None and alarm is not None else first
        start = end
    return state, first


@pytest.mark.parametrize("name", DETECTORS)
@settings(max_examples=40, deadline=None)
@given(SHARES, CUTS)
def test_passes_that_a_kill_separates_find_what_one_pass_finds(name, values, cuts):
    advance, state = DETECTORS[name]
    whole, alarm = advance(state, np.array(values))
    parted, same = in_parts(advance, state, values, cuts)
    assert same == alarm
    for field in state.__dataclass_fields__:
        assert np.allclose(flat(getattr(whole, field)), flat(getattr(parted, field)), atol=1e-9)


def flat(value):
    return np.hstack([flat(one) for one in value]) if isinstance(value, tuple) and value else np.ravel(value)


def one_by_one(kind, state, values):
    """The textbook's recursion, value by value: the place of the first alarm."""
    up = down = average = total = 0.0
    for place, x in enumerate(values, 1):
        total += x
        if kind == "ewma":
            average = state.weight * x + (1 - state.weight) * average
            limit = state.width * np.sqrt(state.weight / (2 - state.weight) * (1 - (1 - state.weight) ** (2 * place)))
            if abs(average) > limit:
                return place - 1
            continue
        z = x if kind == "cusum" else x - total / place
        up, down = max(0.0, up + z - state.slack), max(0.0, down - z - state.slack)
        if max(up, down) > state.limit:
            return place - 1
    return None


@pytest.mark.parametrize("kind", ["cusum", "ewma", "page-hinkley"])
def test_all_rows_at_once_are_the_recursion_row_by_row(kind):
    advance, state = DETECTORS[kind]
    for seed in range(20):
        values = np.random.default_rng(seed).normal(0, 0.5, 120)
        assert advance(state, values)[1] == one_by_one(kind, state, values)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=40, max_size=400))
def test_an_adaptive_window_keeps_the_sums_of_its_values_in_few_buckets(values):
    state, _ = adwin.advance(AdwinState(delta=1e-9, block=1), np.array(values))
    rows, mean = adwin.window(state)
    assert rows == len(values) and mean == pytest.approx(np.mean(values))
    assert max(len(level) for level in state.levels) <= adwin.BUCKETS
    spread = sum(spread for level in state.levels for _, spread in level)
    assert spread <= np.square(np.array(values) - np.mean(values)).sum() + 1e-9


def test_a_long_window_is_small_when_stored():
    state, alarm = adwin.advance(AdwinState(), np.random.default_rng(1).random(200_000))
    assert alarm is None and adwin.window(state)[0] == 200_000
    assert len(wire.dump(state)) < 6_000 and json.loads(wire.dump(state))["cuts"] == 0


def test_run_lengths_are_those_of_the_textbooks():
    assert cusum.run_length(0.5, 4) == pytest.approx(336, rel=0.02)
    assert cusum.run_length(0.5, 5) == pytest.approx(930, rel=0.02)
    assert cusum.run_length(0.25, 8) == pytest.approx(736, rel=0.02)
    for weight, width in ((0.1, 2.814), (0.25, 2.998), (0.4, 3.054)):
        assert ewma.run_length(weight, width) == pytest.approx(500, rel=0.01)
    assert cusum.run_length(0.5, cusum.limit_for(10_000, 0.5)) == pytest.approx(20_000, rel=1e-6)
    assert ewma.run_length(0.2, ewma.width_for(10_000, 0.2)) == pytest.approx(10_000, rel=1e-6)


def first_alarms(advance, state, draw, runs, rows):
    found = [advance(state, draw(np.random.default_rng(seed), rows))[1] for seed in range(runs)]
    return np.array([rows if one is None else one for one in found])


@pytest.mark.parametrize("kind", ["cusum", "ewma"])
def test_false_alarms_come_as_seldom_as_was_asked(kind):
    """In n independent rows an alarm with mean time n to come has come in 1 − 1/e = 63 % of runs, by four deviations 44 to 82."""
    state = (
        CusumState(slack=0.5, limit=cusum.limit_for(2_000, 0.5))
        if kind == "cusum"
        else EwmaState(weight=0.1, width=ewma.width_for(2_000, 0.1))
    )
    came = (first_alarms(DETECTORS[kind][0], state, lambda random, n: random.normal(size=n), 100, 2_000) < 2_000).sum()
    assert 44 <= came <= 82


def test_evidence_of_rare_errors_is_false_less_often_than_promised():
    usual, feared, rows = 0.01, 0.03, 20_000
    state = CusumState(slack=0.0, limit=log(rows), downward=False)

    def draw(random, n):
        return cusum.odds((random.random(n) < usual).astype(float), usual=usual, feared=feared)

    came = (first_alarms(cusum.advance, state, draw, 60, rows) < rows).sum()
    assert came <= 38 + 15
    late = first_alarms(
        cusum.advance, state, lambda r, n: cusum.odds((r.random(n) < feared).astype(float), usual=usual, feared=feared), 40, rows
    )
    assert np.median(late) < 1_500


def test_a_window_is_rarely_cut_when_nothing_changes_and_soon_when_something_does():
    quiet = first_alarms(adwin.advance, AdwinState(), lambda random, n: (random.random(n) < 0.2).astype(float), 60, 20_000)
    assert (quiet < 20_000).sum() <= 6

    def changes(random, n):
        return (random.random(n) < np.where(np.arange(n) < 2_000, 0.2, 0.4)).astype(float)

    found = first_alarms(adwin.advance, AdwinState(), changes, 40, 4_000) - 2_000
    assert (found > 0).mean() > 0.9 and 50 < np.median(found[found > 0]) < 400


def test_page_and_hinkley_see_a_shift_without_being_told_what_is_normal():
    state = PageHinkleyState(slack=0.25, limit=cusum.limit_for(1e5, 0.25))

    def shifts(random, n):
        return 5 + random.normal(size=n) + (np.arange(n) >= 1_000)

    found = first_alarms(page_hinkley.advance, state, shifts, 60, 2_000) - 1_000
    assert (found < 0).sum() <= 3 and np.median(found) < 60
