from math import inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from noria.core.errors import NotFound
from noria.core.schema import Task
from noria.stages.evaluation.sequential import (
    guard_auc,
    guard_auc_paired,
    guard_loss,
    guard_loss_paired,
    guard_mean,
    guard_metric,
    guard_rate,
    sample_ratio,
)
from noria.stages.evaluation.sequential_mixture import always_valid_p, confidence_sequence, sharpest_tau

ALPHA = 0.05
LOOKS = np.arange(100, 2_100, 20)
LIMITS = {"margin": 0.02, "alpha": ALPHA, "min_n": 100}


def scored(rng, n, auc=0.75, base=0.2):
    y = (rng.random(n) < base).astype(float)
    return y, norm.cdf(rng.normal(size=n) + sqrt(2) * norm.ppf(auc) * y - 0.5)


def spread(p, n, m):
    return p * (1 - p) * (1 / n + 1 / m)


# the sequence itself


def test_the_sequence_is_the_mixture_of_the_sequential_test():
    d, s2, tau = 0.02, 0.0001, 0.02
    ratio = sqrt(s2 / (s2 + tau**2)) * np.exp(tau**2 * d**2 / (2 * s2 * (s2 + tau**2)))
    assert always_valid_p(d, s2, tau=tau) == pytest.approx(1 / ratio)
    mixed = np.mean(np.exp((d * (t := np.random.default_rng(1).normal(0, tau, 400_000)) - t**2 / 2) / s2))
    assert ratio == pytest.approx(mixed, rel=0.02)


small = st.floats(1e-6, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 1), small, small, st.floats(0.001, 0.5))
def test_the_p_value_is_below_alpha_exactly_when_the_sequence_excludes_zero(d, s2, tau, alpha):
    low, high = confidence_sequence(d, s2, tau=tau, alpha=alpha)
    assert low <= d <= high
    for end in (low, high):
        assert always_valid_p(d, s2, tau=tau, null=end) == pytest.approx(alpha, rel=1e-6)
    if min(abs(low), abs(high)) > 1e-9:
        assert (low > 0 or high < 0) == (always_valid_p(d, s2, tau=tau) < alpha)


def test_a_difference_without_variance_is_known_exactly():
    assert confidence_sequence(0.3, 0.0, tau=0.1, alpha=ALPHA) == (0.3, 0.3)
    assert always_valid_p(0.3, 0.0, tau=0.1) == 0.0
    assert always_valid_p(0.0, 0.0, tau=0.1) == 1.0


def test_the_chosen_width_is_near_the_sharpest_for_the_wanted_look():
    def width(at_log):
        low, high = confidence_sequence(0.0, 0.01, tau=float(np.exp(at_log)), alpha=ALPHA)
        return high - low

    best = minimize_scalar(width, bounds=(-8, 2), method="bounded").fun
    assert width(log(sharpest_tau(0.01, n=500, at=500, alpha=ALPHA))) < 1.01 * best


def test_with_no_difference_a_hundred_looks_alarm_less_often_than_alpha_and_the_naive_test_far_more():
    rng, p, runs = np.random.default_rng(2), 0.1, 400
    sums = [np.cumsum(rng.random((runs, LOOKS[-1])) < p, axis=1)[:, LOOKS - 1] / LOOKS for _ in "ab"]
    d, s2 = sums[1] - sums[0], spread(np.clip((sums[0] + sums[1]) / 2, 0.01, 0.99), LOOKS, LOOKS)
    outside = [any(always_valid_p(x, v, tau=0.02) < ALPHA for x, v in zip(ds, vs, strict=True)) for ds, vs in zip(d, s2, strict=True)]
    assert np.mean(outside) <= ALPHA
    assert (np.abs(d) / np.sqrt(s2) > 1.96).any(axis=1).mean() > 0.25


# quality


@pytest.mark.parametrize("base", [0.2, 0.05])
def test_equal_models_are_called_harmful_less_often_than_alpha_over_a_hundred_looks(base):
    alarms, runs = 0, 40
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        (y, s), (z, t) = scored(rng, 3 * 2_100, base=base), scored(rng, 2_100, base=base)
        looks = (guard_auc("auc", (y[: 3 * n], s[: 3 * n]), (z[:n], t[:n]), margin=0.0, alpha=ALPHA, min_n=100) for n in LOOKS[::2])
        alarms += any(look.difference.low > 0 for look in looks)
    assert alarms <= ALPHA * runs


def test_a_wrong_model_is_called_harmful_within_a_few_hundred_rows():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        champion, (z, t) = scored(rng, 2_000), scored(rng, 300, auc=0.25)
        found = guard_auc("roc_auc", champion, (z, t), **LIMITS)
        assert found.verdict == "harm" and found.p_value < ALPHA
        assert found.difference.value == pytest.approx(0.5, abs=0.15)
        paired = guard_auc_paired("roc_auc", z, 1 - t, t, **LIMITS)
        assert paired.verdict == "harm"


def test_pairing_needs_far_fewer_rows_to_call_no_harm():
    rng = np.random.default_rng(3)
    y, score = scored(rng, 1_500)
    other = np.clip(score + rng.normal(0, 0.02, 1_500), 0, 1)
    paired = guard_auc_paired("roc_auc", y, score, other, **LIMITS)
    unpaired = guard_auc("roc_auc", (y, score), scored(rng, 1_500), **LIMITS)
    assert paired.verdict == "no-harm" and unpaired.verdict == "undecided"
    assert paired.difference.se < unpaired.difference.se / 3


def test_the_interval_covers_the_true_difference_at_all_looks():
    missed, runs, truth = 0, 60, 0.05
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        one, other = (rng.random(2_100) < 0.1).astype(float), (rng.random(2_100) < 0.15).astype(float)
        looks = (guard_loss("error", one[:n], other[:n], **LIMITS) for n in LOOKS[::2])
        missed += any(not look.difference.low <= truth <= look.difference.high for look in looks)
    assert missed <= ALPHA * runs


def test_the_same_model_twice_is_no_harm():
    y, score = scored(np.random.default_rng(4), 500)
    for name in ("roc_auc", "log_loss", "brier", "accuracy"):
        found = guard_metric(name, task=Task.BINARY, champion=(y, score), challenger=(y, score), paired=True, **LIMITS)
        assert (found.verdict, found.p_value) == ("no-harm", 1.0)
    assert guard_loss_paired("mae", y, y, margin=0.0, alpha=ALPHA, min_n=100).verdict == "undecided"


def test_delongs_variance_is_the_one_of_all_pairs():
    rng = np.random.default_rng(5)
    y, score = scored(rng, 300)
    score = np.round(score, 1)
    found = guard_auc_paired("roc_auc", y, score, 0 * score, **LIMITS).difference
    wins = (score[y == 1][:, None] > score[y == 0]) + 0.5 * (score[y == 1][:, None] == score[y == 0])
    assert found.value == pytest.approx(wins.mean() - 0.5)
    assert found.se**2 == pytest.approx(wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / wins.shape[1])


def test_too_few_rows_or_too_few_of_a_class_are_not_enough_data():
    rng = np.random.default_rng(6)
    y, score = scored(rng, 99)
    assert guard_auc("roc_auc", (y, score), (y, score), **LIMITS).verdict == "not-enough-data"
    rare = np.zeros(1_000)
    rare[:10] = 1
    found = guard_auc("roc_auc", (rare, rng.random(1_000)), (rare, rng.random(1_000)), **LIMITS)
    assert found.verdict == "not-enough-data" and found.p_value == 1.0
    empty = np.array([])
    assert guard_auc("roc_auc", (empty, empty), (empty, empty), **LIMITS).verdict == "not-enough-data"
    assert guard_mean("latency", empty, empty, **LIMITS).verdict == "not-enough-data"


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1", "mcc"])
def test_every_binary_metric_can_be_guarded(name, paired):
    rng = np.random.default_rng(7)
    y, score = scored(rng, 3_000, auc=0.9, base=0.4)
    found = guard_metric(name, task=Task.BINARY, champion=(y, score), challenger=(y, 1 - score), paired=paired, **LIMITS)
    assert found.guard == name and found.verdict == "harm"


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_regression_metrics_can_be_guarded_and_better_is_no_harm(name):
    rng = np.random.default_rng(8)
    y = rng.normal(size=2_000)
    good, bad = (y, y + rng.normal(0, 0.1, 2_000)), (y, y + rng.normal(0, 1, 2_000))
    assert guard_metric(name, task=Task.REGRESSION, champion=good, challenger=bad, paired=True, **LIMITS).verdict == "harm"
    assert guard_metric(name, task=Task.REGRESSION, champion=bad, challenger=good, paired=True, **LIMITS).verdict == "no-harm"


def test_metrics_of_several_classes_take_a_matrix_and_leave_out_unknown_outcomes():
    rng = np.random.default_rng(9)
    y = rng.integers(0, 3, 1_000)
    good = np.where(np.eye(3)[y] == 1, 0.6, 0.2)
    good = good + rng.uniform(0, 0.3, good.shape)
    good /= good.sum(axis=1, keepdims=True)
    told = np.where(np.arange(1_000) < 100, -1, y)
    for name in ("log_loss", "accuracy", "roc_auc"):
        found = guard_metric(name, task=Task.MULTICLASS, champion=(told, good), challenger=(told, good[:, ::-1]), paired=True, **LIMITS)
        assert (found.verdict, found.champion_n) == ("harm", 900)


def test_answers_that_are_no_numbers_are_left_out():
    y, score = scored(np.random.default_rng(10), 500)
    holed = np.where(np.arange(500) < 50, np.nan, score)
    assert guard_metric("brier", task=Task.BINARY, champion=(y, score), challenger=(y, holed), paired=True, **LIMITS).challenger_n == 450


def test_metrics_without_a_sequential_test_are_refused_by_name():
    rows = (np.array([0.0, 1.0]), np.array([0.2, 0.8]))
    with pytest.raises(ValueError, match="ece"):
        guard_metric("ece", task=Task.BINARY, champion=rows, challenger=rows, paired=True, **LIMITS)
    with pytest.raises(NotFound):
        guard_metric("roc_auc", task=Task.REGRESSION, champion=rows, challenger=rows, paired=True, **LIMITS)


# latency


def latencies(rng, n, times=1.0):
    return np.log(times * rng.lognormal(0, 0.25, n) * np.where(rng.random(n) < 0.01, 50, 1))


def test_ten_times_slower_is_harm_as_soon_as_a_verdict_is_allowed():
    rng = np.random.default_rng(11)
    found = guard_mean("latency", latencies(rng, 1_000), latencies(rng, 100, times=10), margin=log(2), alpha=ALPHA, min_n=100)
    assert found.verdict == "harm" and found.difference.value > log(5)


def test_equally_slow_with_a_heavy_tail_is_no_harm_and_tolerated_slowness_never_harm():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        champion, same, slower = latencies(rng, 3_000), latencies(rng, 1_000), latencies(rng, 1_000, times=1.5)
        for n in (100, 300, 1_000):
            assert guard_mean("latency", champion[: 3 * n], same[:n], margin=log(2), alpha=ALPHA, min_n=100).verdict != "harm"
            assert guard_mean("latency", champion[: 3 * n], slower[:n], margin=log(2), alpha=ALPHA, min_n=100).verdict != "harm"
        assert guard_mean("latency", champion, same, margin=log(2), alpha=ALPHA, min_n=100).verdict == "no-harm"


def test_where_higher_is_better_a_lower_mean_is_the_harm():
    rng = np.random.default_rng(12)
    low, high = rng.normal(0, 1, 500), rng.normal(3, 1, 500)
    assert guard_mean("income", high, low, margin=0.1, alpha=ALPHA, min_n=100, higher_is_worse=False).verdict == "harm"
    assert guard_mean("income", low, high, margin=0.1, alpha=ALPHA, min_n=100, higher_is_worse=False).verdict == "no-harm"


# errors and the split


def rate(champion, challenger, **changed):
    facts = {"margin": 0.005, "alpha": ALPHA, "min_n": 100, **changed}
    (a, n), (b, m) = champion, challenger
    return guard_rate("errors", champion_events=a, champion_n=n, challenger_events=b, challenger_n=m, **facts)


def test_a_challenger_that_fails_is_called_harmful_at_once():
    assert rate((0, 1_000), (6, 30)).verdict == "harm"
    assert rate((0, 1_000), (10, 10)).verdict == "harm"
    assert rate((0, 1_000), (20, 100)).p_value < 1e-6


def test_no_failures_at_all_become_no_harm_with_enough_rows():
    assert rate((0, 50), (0, 50)).verdict == "not-enough-data"
    assert rate((0, 500), (0, 500)).verdict == "undecided"
    assert rate((0, 20_000), (0, 3_000)).verdict == "no-harm"
    assert rate((0, 0), (0, 0)).verdict == "not-enough-data"


def test_one_failure_in_few_requests_is_not_yet_harm():
    assert rate((0, 1_000), (1, 150)).verdict == "undecided"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 3_000), st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 0.5))
def test_the_exact_p_value_agrees_with_the_exact_interval(n, m, a, b, alpha):
    found = rate((round(a * n), n), (round(b * m), m), alpha=alpha)
    assert -1 <= found.difference.low <= found.difference.high <= 1
    assert 0 <= found.p_value <= 1
    if abs(found.p_value - alpha) > 1e-6 and abs(found.difference.low) > 1e-9:
        assert (found.difference.low > 0) == (found.p_value < alpha)


def test_requests_that_fall_as_planned_are_never_suspect_and_a_broken_split_is():
    rng, suspect = np.random.default_rng(13), 0
    for share in (0.01, 0.1, 0.5):
        for _ in range(100):
            seen = np.cumsum(rng.random(20_000) < share)[99::200]
            suspect += min(sample_ratio(int(k), 100 + 200 * i - int(k), share=share) for i, k in enumerate(seen)) < 0.001
    assert suspect <= 1
    assert sample_ratio(5_100, 4_900, share=0.5) > 0.001
    assert sample_ratio(51_000, 49_000, share=0.5) < 0.001
    assert sample_ratio(0, 2_000, share=0.01) < 0.001
    assert sample_ratio(0, 0, share=0.1) == 1.0
    assert sample_ratio(10, 0, share=1.0) == 1.0


def test_huge_counts_and_certain_rates_stay_finite():
    found = rate((0, 10**8), (10**6, 10**6))
    assert found.verdict == "harm" and found.p_value == 0.0
    assert -inf < found.difference.low < found.difference.high < inf
