import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noria.core.costs import Costs
from noria.core.errors import DataInvalid
from noria.stages.evaluation.costs import choose, judged

COSTS = Costs(false_positive=1, false_negative=10)


def calibrated(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    score = random.beta(1, 4, size=rows)
    return (random.random(rows) < score).astype(float), score


def spent(y: np.ndarray, said: np.ndarray, costs: Costs) -> float:
    table = np.array([[costs.true_negative, costs.false_positive], [costs.false_negative, costs.true_positive]])
    return float(table[y.astype(int), said.astype(int)].mean())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), missed=st.floats(0.2, 30), benefit=st.floats(0, 5), capacity=st.sampled_from([1.0, 0.3, 0.05]))
def test_no_threshold_that_the_capacity_allows_costs_less(seed: int, missed: float, benefit: float, capacity: float) -> None:
    y, score = calibrated(np.random.default_rng(seed), 150)
    y[:2] = 0, 1
    costs = Costs(false_positive=1, false_negative=missed, true_positive=-benefit, capacity=capacity)
    choice = choose(y, score, costs)
    assert (score >= choice.threshold).mean() <= capacity + 1e-9
    assert choice.cost.value == pytest.approx(spent(y, score >= choice.threshold, costs))
    for at in [*np.unique(score), 2.0]:
        if (score >= at).mean() <= capacity:
            assert choice.cost.value <= spent(y, score >= at, costs) + 1e-9
    assert choice.low <= choice.threshold <= choice.high


def test_a_calibrated_score_is_cut_where_costs_alone_say() -> None:
    y, score = calibrated(np.random.default_rng(1), 60_000)
    choice = choose(y, score, COSTS)
    assert COSTS.threshold == pytest.approx(1 / 11)
    assert choice.threshold == pytest.approx(1 / 11, abs=0.03)
    assert choice.low < 1 / 11 < choice.high
    assert choice.calibrated == COSTS.threshold and not choice.bound


def test_benefits_move_the_threshold_and_a_capacity_binds() -> None:
    assert Costs(false_positive=2, false_negative=5, true_positive=-3).threshold == pytest.approx(0.2)
    y, score = calibrated(np.random.default_rng(2), 5_000)
    choice = choose(y, score, Costs(false_positive=1, false_negative=10, capacity="2%"))
    assert choice.bound and choice.capacity == 0.02
    assert (score >= choice.threshold).mean() <= 0.02
    assert "no more than 2.0% of rows" in choice.reason


def test_the_range_of_thresholds_not_shown_dearer_covers_the_best_one() -> None:
    random, trials, covered = np.random.default_rng(3), 150, 0
    for _ in range(trials):
        y, score = calibrated(random, 800)
        choice = choose(y, score, COSTS)
        covered += choice.low <= COSTS.threshold <= choice.high
    assert covered >= stats.binom.ppf(0.001, trials, 0.95), f"{covered} of {trials}"


def test_on_other_rows_the_chosen_threshold_is_marked_beside_plain_ones() -> None:
    random = np.random.default_rng(4)
    choice = choose(*calibrated(random, 3_000), COSTS)
    marks = {mark.name: mark for mark in judged(*calibrated(random, 3_000), COSTS, choice.threshold)}
    assert list(marks) == ["chosen", "calibrated", "half", "never", "always"]
    assert marks["chosen"].cost.value < min(marks["half"].cost.value, marks["never"].cost.value, marks["always"].cost.value)
    assert (marks["never"].alerts, marks["always"].alerts) == (0.0, 1.0)
    assert all(mark.cost.low < mark.cost.value < mark.cost.high for mark in marks.values())


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(DataInvalid, match="both classes"):
        choose([0, 0], [0.1, 0.2], COSTS)
    with pytest.raises(ValueError, match="must cost more"):
        Costs(false_positive=0, false_negative=1)
    with pytest.raises(ValueError, match="no share"):
        Costs(false_positive=1, false_negative=1, capacity="200%")
