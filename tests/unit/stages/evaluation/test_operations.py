import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from noria.stages.evaluation.operations import Found, Measure, judged, shift

LATENCY = Measure(name="latency", allowed=0.1)
ERRORS = Measure(name="errors", critical=True, needed=True)

points = st.lists(st.floats(-50, 50), min_size=8, max_size=40)


@settings(max_examples=60, deadline=None)
@given(points, points, st.floats(-20, 20))
def test_the_shift_is_the_median_of_all_differences_and_moves_with_the_points(one, other, by):
    found = shift(one, other)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(np.median(np.subtract.outer(other, one)), abs=1e-9)
    assert shift(one, np.array(other) + by).value == pytest.approx(found.value + by, abs=1e-7)


def test_its_interval_holds_what_the_rank_test_does_not_refuse():
    rng = np.random.default_rng(2)
    for _ in range(40):
        one, other = rng.normal(size=60), rng.normal(0.4, 1.0, size=50)
        found = shift(one, other, confidence=0.95)
        inside, outside = found.low + 1e-9, found.low - 0.02
        at = [mannwhitneyu(other - by, one, method="asymptotic", use_continuity=False).pvalue for by in (inside, outside)]
        assert at[0] >= 0.045
        assert at[1] <= 0.055


def test_its_interval_covers_the_true_shift():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(300):
        found = shift(rng.exponential(size=60), rng.exponential(size=60) + 0.3)
        covered += found.low <= 0.3 <= found.high
    assert 0.955 <= covered / 300 <= 1.0


def test_the_score_is_the_weighted_share_that_passes_and_a_critical_one_takes_all():
    rng = np.random.default_rng(1)
    calm, slow = rng.normal(1, 0.1, 200), rng.normal(2, 0.1, 200)
    none = np.zeros(200)
    assert judged([LATENCY, ERRORS], {"latency": (calm, calm[::-1]), "errors": (none, none)}).value == 100
    assert judged([LATENCY, ERRORS], {"latency": (calm, slow), "errors": (none, none)}).value == 50
    failing = (rng.random(200) < 0.9).astype(float)
    score = judged([LATENCY, ERRORS], {"latency": (calm, calm), "errors": (none, failing)})
    assert score.value == 0
    assert [one.found for one in score.findings] == [Found.PASS, Found.HIGH]


def test_faster_is_no_fault_and_a_shift_that_nobody_minds_passes():
    rng = np.random.default_rng(1)
    calm = rng.normal(1, 0.01, 300)
    quick = judged([LATENCY], {"latency": (calm, calm - 0.5)})
    assert (quick.value, quick.findings[0].found) == (100, Found.LOW)
    assert judged([LATENCY], {"latency": (calm, calm + 0.05)}).value == 100


def test_without_data_there_is_no_score_unless_the_metric_is_needed():
    assert np.isnan(judged([LATENCY], {}).value)
    calm = np.ones(100)
    assert judged([LATENCY, ERRORS], {"latency": (calm, calm)}).value == 50


def test_an_equal_newcomer_seldom_fails_one_metric():
    rng = np.random.default_rng(6)
    plain = Measure(name="latency", worse="either")
    failed = sum(judged([plain], {"latency": (rng.gamma(2, size=100), rng.gamma(2, size=100))}).value < 100 for _ in range(400))
    assert failed <= 18
