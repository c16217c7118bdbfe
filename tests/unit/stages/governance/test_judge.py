import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noria.core.declaration import gates as declared
from noria.core.declaration.gates import Gate
from noria.core.errors import NotFound
from noria.core.judging import Approval, Outcome, Scorecard, SliceMark
from noria.core.schema import Estimate, Task
from noria.stages.governance.judge import judge
from noria.stages.governance.words import to_text

NOW = datetime(2013, 4, 1, tzinfo=UTC)
PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.NEEDS_APPROVAL


def mark(value: float, low: float = math.nan, high: float = math.nan, *, n: int = 1_000) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def gain(value: float, se: float, *, freedom: int = 17, n: int = 1_000) -> Estimate:
    reach = stats.t.ppf(0.975, freedom) * se
    return Estimate(value=value, low=value - reach, high=value + reach, n=n, se=se)


def slice_of(value: str, versus: Estimate | None, *, column: str = "origin", metric: str = "roc_auc") -> SliceMark:
    return SliceMark(column=column, value=value, metric=metric, mark=mark(0.7, n=versus.n if versus else 1_000), versus=versus)


def card(*, champion: str = "late@3", **parts: object) -> Scorecard:
    kept: dict = {
        "made_from": (),
        "task": Task.BINARY,
        "rows": 1_000,
        "start": NOW,
        "end": NOW,
        "metrics": {"roc_auc": mark(0.74, 0.71, 0.77), "ece": mark(0.04, 0.02, 0.06), "f1": mark(math.nan)},
        "champion": champion,
        "latency_p99_ms": 3.0,
        "size_bytes": 2_500_000,
    }
    return Scorecard(**{**kept, **parts})


def outcome_of(gate: Gate, made: Scorecard, **options: Approval | None) -> tuple[Outcome, str]:
    (result,) = judge([gate], made, **options).results
    return result.outcome, result.reason


def test_no_gates_pass() -> None:
    assert judge([], card()).outcome is PASS


@pytest.mark.parametrize(
    ("gate", "outcome", "reason"),
    [
        (declared.at_least(roc_auc=0.74), PASS, "roc_auc is 0.74 [0.71, 0.77], limit 0.74"),
        (declared.at_least(roc_auc=0.75), FAIL, "roc_auc is 0.74 [0.71, 0.77], its value below 0.75"),
        (declared.at_least(bound="bound", roc_auc=0.72), FAIL, "its lower end below 0.72"),
        (declared.at_least(bound="bound", roc_auc=0.71), PASS, "limit 0.71"),
        (declared.at_most(ece=0.04), PASS, "limit 0.04"),
        (declared.at_most(ece=0.03), FAIL, "its value above 0.03"),
        (declared.at_most(bound="bound", ece=0.05), FAIL, "its upper end above 0.05"),
        (declared.at_least(f1=0.1), FAIL, "f1: not enough rows to tell"),
        (declared.at_least(mcc=0.1), FAIL, "mcc was not measured"),
        (declared.latency(p99_ms=3), PASS, "99 % of answers come within 3 ms"),
        (declared.latency(p99_ms=2), FAIL, "more than 2 ms"),
        (declared.size(mb=2.5), PASS, "2.5 MB"),
        (declared.size(mb=2), FAIL, "more than 2 MB"),
    ],
)
def test_limits_hold_at_the_limit_and_say_the_numbers(gate: Gate, outcome: Outcome, reason: str) -> None:
    found, said = outcome_of(gate, card())
    assert found is outcome
    assert reason in said


def test_every_metric_that_misses_is_named() -> None:
    (result,) = judge([declared.at_least(roc_auc=0.9, f1=0.5, mcc=0.3)], card()).results
    assert all(name in result.reason for name in ("roc_auc", "f1", "mcc"))
    assert result.numbers["roc_auc"] == 0.74 and result.numbers["roc_auc limit"] == 0.9


def test_what_was_not_measured_fails() -> None:
    assert outcome_of(declared.latency(p99_ms=5), card(latency_p99_ms=math.nan)) == (FAIL, "it was not measured")
    assert outcome_of(declared.size(mb=5), card(size_bytes=0)) == (FAIL, "it was not measured")


@pytest.mark.parametrize(
    ("low", "margin", "outcome"), [(0.001, 0.0, PASS), (0.0, 0.0, FAIL), (-0.005, 0.0, FAIL), (-0.005, 0.01, PASS), (-0.01, 0.01, FAIL)]
)
def test_the_champion_is_beaten_when_the_whole_interval_lies_above_minus_the_margin(low: float, margin: float, outcome: Outcome) -> None:
    made = card(versus_champion={"roc_auc": mark(low + 0.01, low, low + 0.02)})
    assert outcome_of(declared.beats_champion("roc_auc", margin=margin), made)[0] is outcome


def test_a_difference_that_cannot_be_told_is_a_fail() -> None:
    for versus in ({}, {"roc_auc": mark(math.nan)}, {"roc_auc": mark(0.1)}):
        found, reason = outcome_of(declared.beats_champion("roc_auc"), card(versus_champion=versus))
        assert found is FAIL and "not enough rows to tell" in reason


def test_at_birth_comparisons_pass() -> None:
    for gate in (declared.beats_champion("roc_auc"), declared.no_slice_worse("origin", by=0.05)):
        assert outcome_of(gate, card(champion="")) == (PASS, "no champion yet")


def test_a_slice_that_is_clearly_worse_fails_and_is_named() -> None:
    made = card(slices=(slice_of("EWR", gain(-0.2, 0.02)), slice_of("JFK", gain(0.01, 0.02))))
    found, reason = outcome_of(declared.no_slice_worse("origin", by=0.05), made)
    assert found is FAIL
    assert "origin=EWR" in reason and "JFK" not in reason


def test_a_slice_that_is_not_shown_to_be_worse_passes() -> None:
    made = card(slices=(slice_of("EWR", gain(-0.06, 0.02)), slice_of("JFK", gain(0.01, 0.02))))
    found, reason = outcome_of(declared.no_slice_worse("origin", by=0.05), made)
    assert found is PASS
    assert "none of 2 slices" in reason and "origin=EWR" in reason


def test_one_slice_is_judged_by_its_own_interval() -> None:
    gate = declared.no_slice_worse("origin", by=0.05)
    for value in (-0.0925, -0.0915):
        versus = gain(value, 0.02)
        found, _ = outcome_of(gate, card(slices=(slice_of("EWR", versus),)))
        assert (found is FAIL) == (versus.high < -0.05)


def test_more_slices_ask_for_more_evidence() -> None:
    gate, weak = declared.no_slice_worse("origin", by=0.05), slice_of("EWR", gain(-0.10, 0.02))
    assert outcome_of(gate, card(slices=(weak,)))[0] is FAIL
    others = tuple(slice_of(f"other {n}", gain(0.0, 0.02)) for n in range(40))
    assert outcome_of(gate, card(slices=(weak, *others)))[0] is PASS


def test_slices_of_other_columns_other_metrics_and_few_rows_do_not_count() -> None:
    bad = gain(-0.5, 0.01)
    slices = (
        slice_of("a", bad, column="dest"),
        slice_of("b", bad, metric="f1"),
        slice_of("c", gain(-0.5, 0.01, n=150)),
        slice_of("d", gain(0.0, 0.01)),
    )
    assert outcome_of(declared.no_slice_worse("origin", by=0.05, metric="roc_auc"), card(slices=slices))[0] is PASS
    assert outcome_of(declared.no_slice_worse("origin", by=0.05, metric="roc_auc", min_rows=100), card(slices=slices))[0] is FAIL


def test_a_gate_without_a_metric_means_the_first_one_of_the_scorecard() -> None:
    slices = (slice_of("EWR", gain(0.0, 0.01)), slice_of("EWR", gain(-0.5, 0.01), metric="f1"))
    assert outcome_of(declared.no_slice_worse("origin", by=0.05), card(slices=slices))[0] is PASS
    assert outcome_of(declared.no_slice_worse("origin", by=0.05, metric="f1"), card(slices=slices))[0] is FAIL


def test_slices_that_all_cannot_be_told_fail() -> None:
    for slices in ((), (slice_of("EWR", mark(math.nan)),), (slice_of("EWR", None),)):
        found, reason = outcome_of(declared.no_slice_worse("origin", by=0.05), card(slices=slices))
        assert found is FAIL and "not enough rows to tell" in reason


def test_slices_without_any_spread_are_judged_by_their_value() -> None:
    gate = declared.no_slice_worse("origin", by=0.05)
    assert outcome_of(gate, card(slices=(slice_of("EWR", gain(0.0, 0.0)),)))[0] is PASS
    assert outcome_of(gate, card(slices=(slice_of("EWR", gain(-0.1, 0.0)),)))[0] is FAIL


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.3, 0.1), min_size=1, max_size=12))
def test_holm_names_the_same_slices_as_the_textbook(values: list[float]) -> None:
    found = judge(
        [declared.no_slice_worse("origin", by=0.05)], card(slices=tuple(slice_of(str(n), gain(v, 0.03)) for n, v in enumerate(values)))
    ).outcome
    chances = sorted(stats.t.cdf((value + 0.05) / 0.03, 17) for value in values)
    assert (found is FAIL) == (chances[0] <= 0.025 / len(chances))


def test_an_approval_gate_waits_and_then_does_as_it_is_told() -> None:
    gate = declared.approval()
    assert outcome_of(gate, card()) == (WAIT, "waits for a person: noria approve")
    yes = Approval(turn="t1", granted=True, by="Ann", reason="looks right", at=NOW)
    no = Approval(turn="t1", granted=False, by="Ann", reason="", at=NOW)
    assert outcome_of(gate, card(), approval=yes) == (PASS, "approved by Ann: looks right")
    assert outcome_of(gate, card(), approval=no) == (FAIL, "refused by Ann")


def test_only_the_named_person_can_open_an_approval_gate() -> None:
    gate = declared.approval(by="Ann")
    bob = Approval(turn="t1", granted=True, by="Bob", reason="", at=NOW)
    assert outcome_of(gate, card()) == (WAIT, "waits for Ann: noria approve")
    assert outcome_of(gate, card(), approval=bob) == (FAIL, "decided by Bob, but only Ann may")
    assert outcome_of(gate, card(), approval=Approval(turn="t1", granted=True, by="Ann", reason="", at=NOW))[0] is PASS


def test_fail_beats_needs_approval_beats_pass() -> None:
    good, bad, ask = declared.at_least(roc_auc=0.7), declared.at_least(roc_auc=0.9), declared.approval()
    assert judge([good, ask], card()).outcome is WAIT
    assert judge([good, ask, bad], card()).outcome is FAIL
    assert judge([good], card()).outcome is PASS


def test_an_unknown_check_is_refused_by_name() -> None:
    with pytest.raises(NotFound, match="'at-leats'"):
        judge([Gate(check="at-leats")], card())


def test_a_verdict_reads_as_one_line_for_each_gate() -> None:
    text = to_text(judge([declared.at_least(roc_auc=0.7), declared.at_least(roc_auc=0.9), declared.approval()], card()))
    lines = text.splitlines()
    assert lines[0].startswith("fail")
    assert [line.strip()[0] for line in lines[1:]] == ["✓", "✗", "?"]
