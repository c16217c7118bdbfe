import math
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from noria.core.declaration import gates as declared
from noria.core.declaration.gates import Gate
from noria.core.examination.baselines import BaselineMetric, Baselines
from noria.core.examination.comparing import claimed
from noria.core.examination.examination import Examination
from noria.core.judging import GateResult, Outcome, Scorecard
from noria.core.schema import Estimate, Task
from noria.stages.governance.comparisons import at_confidence
from noria.stages.governance.judge import judge

NOW = datetime(2013, 4, 1, tzinfo=UTC)
PASS, FAIL = Outcome.PASS, Outcome.FAIL


def gain(value: float, se: float = 0.005, *, freedom: int = 40) -> Estimate:
    reach = stats.t.ppf(0.975, freedom) * se
    return Estimate(value=value, low=value - reach, high=value + reach, n=1_000, se=se)


def asked(gate: Gate, versus: Estimate | None, *, champion: str = "late@3", examination: Examination | None = None) -> GateResult:
    differences = {} if versus is None else {"roc_auc": versus}
    card = Scorecard(
        made_from=(), task=Task.BINARY, rows=1_000, start=NOW, end=NOW, metrics={}, champion=champion, versus_champion=differences
    )
    return judge([gate], card, examination=examination).results[0]


@pytest.mark.parametrize(
    ("value", "outcome", "words"),
    [
        (0.03, PASS, "shown to be not worse than late@3 by 0.02, at 95% confidence"),
        (0.0, PASS, "shown to be not worse"),
        (-0.015, FAIL, "not shown to be not worse than late@3 by 0.02, at 95% confidence; it is shown worse"),
        (-0.009, PASS, "shown to be not worse"),
        (-0.0101, FAIL, "not shown"),
    ],
)
def test_not_worse_asks_for_the_lower_end_above_the_margin(value, outcome, words):
    result = asked(declared.not_worse_than_champion("roc_auc", margin=0.02), gain(value))
    assert result.outcome is outcome and words in result.reason
    assert result.numbers["margin"] == 0.02


@pytest.mark.parametrize(("value", "outcome"), [(0.0, PASS), (0.009, PASS), (0.012, FAIL), (-0.012, FAIL)])
def test_equivalent_asks_for_both_ends_within_the_margin(value, outcome):
    assert asked(declared.equivalent_to_champion("roc_auc", margin=0.02), gain(value)).outcome is outcome


def test_more_confidence_asks_for_more():
    assert asked(declared.not_worse_than_champion("roc_auc", margin=0.02, confidence=0.99), gain(-0.009)).outcome is FAIL
    assert asked(declared.not_worse_than_champion("roc_auc", margin=0.02, confidence=0.8), gain(-0.0101)).outcome is PASS


def test_an_interval_of_another_level_has_the_same_degrees_of_freedom():
    wide = at_confidence(gain(0.01, 0.005, freedom=12), 0.99)
    assert (wide.low, wide.high) == pytest.approx(stats.t.interval(0.99, 12, loc=0.01, scale=0.005))


def test_without_a_champion_there_is_nothing_to_be_worse_than():
    for gate in (declared.not_worse_than_champion("roc_auc", margin=0.01), declared.equivalent_to_champion("roc_auc", margin=0.01)):
        assert asked(gate, None, champion="").outcome is PASS


def test_what_cannot_be_compared_is_not_shown():
    nothing = Estimate(value=math.nan, low=math.nan, high=math.nan, n=3)
    assert asked(declared.not_worse_than_champion("roc_auc", margin=0.01), nothing).outcome is FAIL
    assert asked(declared.equivalent_to_champion("roc_auc", margin=0.01), None).outcome is FAIL


def beside(versus: Estimate) -> Examination:
    by_metric = (BaselineMetric(metric="roc_auc", baseline="linear", versus=versus, claim=claimed(versus)),)
    return Examination(made_from=(), baselines=Baselines(metric="roc_auc", marks=(), best="linear", by_metric=by_metric))


@pytest.mark.parametrize(
    ("value", "margin", "outcome", "words"),
    [
        (0.02, 0.0, PASS, "shown better than the linear baseline"),
        (0.005, 0.0, FAIL, "not shown better than the linear baseline"),
        (0.02, 0.015, FAIL, "not shown better by more than 0.015"),
    ],
)
def test_a_candidate_must_beat_the_best_simple_model(value, margin, outcome, words):
    result = asked(declared.beats_baselines("roc_auc", margin=margin), None, examination=beside(gain(value)))
    assert result.outcome is outcome and words in result.reason


def test_baselines_that_could_not_be_trained_open_no_gate():
    failed = Examination(made_from=(), untold={"baselines": "ValueError: no"})
    result = asked(declared.beats_baselines("roc_auc"), None, examination=failed)
    assert result.outcome is FAIL and "ValueError: no" in result.reason
    assert asked(declared.beats_baselines("roc_auc"), None).outcome is FAIL


def test_a_candidate_worse_by_the_margin_seldom_passes():
    trials, random = 2_000, np.random.default_rng(3)
    gate = declared.not_worse_than_champion("roc_auc", margin=0.01)
    passed = sum(asked(gate, gain(value)).outcome is PASS for value in random.normal(-0.01, 0.005, trials))
    assert passed <= stats.binom.ppf(0.999, trials, 0.025)
