import math
from datetime import UTC, datetime

import pytest

from noria.core.declaration import conduct as declared
from noria.core.declaration.gates import Gate
from noria.core.errors import NotFound
from noria.core.examination.examination import Examination
from noria.core.examination.fairness import FairnessReport, Gap, GroupMark
from noria.core.examination.stress import Behaviour, Example, Strain, Stress
from noria.core.judging import Approval, Outcome, Scorecard
from noria.core.schema import Estimate, Task
from noria.stages.governance.judge import judge
from noria.stages.governance.policies import names, policy

NOW = datetime(2013, 4, 1, tzinfo=UTC)
PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.NEEDS_APPROVAL
CARD = Scorecard(made_from=(), task=Task.BINARY, rows=1, start=NOW, end=NOW, metrics={})
APPROVED = Approval(turn="t1", granted=True, by="Ann", reason="seen", at=NOW)


def mark(value: float, low: float = math.nan, high: float = math.nan) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=500)


def gap(measure: str, difference: Estimate, *, ratio: Estimate | None = None, column: str = "sex", fewest: int = 200) -> Gap:
    rate = {"four_fifths": "selection_rate", "equal_opportunity": "tpr", "demographic_parity": "selection_rate"}.get(measure, "fpr")
    return Gap(
        column=column,
        measure=measure,
        rate=rate,
        lowest="f",
        highest="m",
        difference=difference,
        ratio=ratio or mark(math.nan),
        fewest=fewest,
        enough=fewest >= 30,
    )


def examined(*gaps: Gap) -> Examination:
    groups = tuple(GroupMark(column="sex", group=name, rows=500, positives=100, rates={}) for name in "fm")
    return Examination(made_from=(), fairness=FairnessReport(favourable="yes", threshold=0.5, rows=1_000, groups=groups, gaps=gaps))


def said(gate: Gate, examination: Examination | None, approval: Approval | None = None) -> tuple[Outcome, str]:
    (result,) = judge([gate], CARD, examination=examination, approval=approval).results
    return result.outcome, result.reason


@pytest.mark.parametrize(
    ("low", "high", "outcome", "reason"),
    [
        (0.11, 0.2, FAIL, "shown to be beyond it"),
        (0.05, 0.2, WAIT, "not shown to be within it"),
        (0.0, 0.09, PASS, "within it"),
        (math.nan, math.nan, WAIT, "cannot be told"),
    ],
)
def test_a_gap_fails_by_its_lower_end_and_passes_by_its_upper(low, high, outcome, reason):
    found = said(declared.fair("equal_opportunity", column="sex", limit=0.1), examined(gap("equal_opportunity", mark(0.08, low, high))))
    assert found[0] is outcome and reason in found[1]


def test_a_ratio_fails_by_its_upper_end():
    gate = declared.fair("four_fifths", column="sex", limit=0.8)
    for low, high, outcome in ((0.5, 0.79, FAIL), (0.7, 0.95, WAIT), (0.81, 1.0, PASS)):
        found = examined(gap("four_fifths", mark(0.1, 0.0, 0.2), ratio=mark(0.75, low, high)))
        assert said(gate, found)[0] is outcome


def test_too_few_rows_are_no_proof_of_safety():
    gate = declared.fair("equal_opportunity", limit=0.1)
    few = examined(gap("equal_opportunity", mark(0.02, 0.0, 0.05), fewest=12))
    assert said(gate, few) == (WAIT, said(gate, few)[1]) and "insufficient n" in said(gate, few)[1]
    assert said(declared.fair("equal_opportunity", limit=0.1, unsure="pass"), few)[0] is PASS
    assert said(declared.fair("equal_opportunity", limit=0.1, unsure="fail"), few)[0] is FAIL
    outcome, reason = said(gate, examined())
    assert outcome is WAIT and "of 2 groups fewer than two" in reason


def test_what_follows_is_chosen():
    harm = examined(gap("equal_opportunity", mark(0.3, 0.2, 0.4)))
    for action, outcome in (("block", FAIL), ("approve", WAIT), ("report", PASS)):
        assert said(declared.fair("equal_opportunity", limit=0.1, action=action), harm)[0] is outcome


def test_a_person_decides_on_what_is_not_shown():
    unsure = examined(gap("equal_opportunity", mark(0.08, 0.0, 0.2)))
    outcome, reason = said(declared.fair("equal_opportunity", limit=0.1), unsure, APPROVED)
    assert outcome is PASS and reason.startswith("approved by Ann (seen): tpr of sex")
    refused = Approval(turn="t1", granted=False, by="Ann", reason="", at=NOW)
    assert said(declared.fair("equal_opportunity", limit=0.1), unsure, refused)[0] is FAIL
    harm = examined(gap("equal_opportunity", mark(0.3, 0.2, 0.4)))
    assert said(declared.fair("equal_opportunity", limit=0.1), harm, APPROVED)[0] is FAIL, "what is shown is not approved away"


def test_a_column_asks_about_its_own_gaps_and_none_about_all():
    two = examined(gap("equal_opportunity", mark(0.0, 0.0, 0.05)), gap("equal_opportunity", mark(0.3, 0.2, 0.4), column="age"))
    assert said(declared.fair("equal_opportunity", column="sex", limit=0.1), two)[0] is PASS
    assert said(declared.fair("equal_opportunity", limit=0.1), two)[0] is FAIL


def test_without_groups_a_gate_on_them_fails():
    outcome, reason = said(declared.fair("four_fifths", limit=0.8), Examination(made_from=(), untold={"fairness": "no such class"}))
    assert outcome is FAIL and "no such class" in reason
    assert said(declared.fair("four_fifths", limit=0.8), None)[0] is FAIL


def test_policies_are_data_with_a_version_and_a_source():
    assert set(names()) == {"eu", "internal-four-fifths", "us-2026-07"}
    for name in names():
        one = policy(name)
        assert one.name == name and one.version and one.source and one.jurisdiction and one.rules
    assert {rule.action for rule in policy("us-2026-07").rules} == {"report"}
    with pytest.raises(NotFound, match="no policy 'mars'"):
        policy("mars")


@pytest.mark.parametrize("broken", [{"rules": []}, {"rules": [{"measure": "luck", "limit": 1, "action": "block"}]}, {"version": ""}])
def test_a_policy_of_ones_own_must_be_whole(broken):
    whole = {
        "jurisdiction": "house",
        "version": "1",
        "source": "us",
        "rules": [{"measure": "four_fifths", "limit": 0.8, "action": "block"}],
    }
    assert policy(whole).rules[0].limit == 0.8
    with pytest.raises(ValueError):
        policy({**whole, **broken})


def test_a_policy_that_reports_blocks_nothing_and_says_what_it_saw():
    harm = examined(gap("four_fifths", mark(0.2, 0.1, 0.3), ratio=mark(0.5, 0.4, 0.6)), gap("equal_opportunity", mark(0.3, 0.2, 0.4)))
    outcome, reason = said(declared.fair(policy="us-2026-07"), harm)
    assert outcome is PASS and reason.startswith("us-2026-07, version 2026-07-21:") and "shown to be beyond it" in reason
    assert said(declared.fair(policy="internal-four-fifths"), harm)[0] is FAIL
    assert said(declared.fair(policy="eu"), harm)[0] is WAIT


def strain(fall: Estimate, *, to: str = "missing", features: tuple[str, ...] = ("*",), severity: float = 0.2, note: str = "") -> Strain:
    return Strain(to=to, features=features, severity=severity, fall=fall, changed=0.05, metric="roc_auc", note=note)


def stressed(*strains: Strain, behaviours: tuple[Behaviour, ...] = ()) -> Examination:
    return Examination(made_from=(), stress=Stress(metric="roc_auc", base={}, rows=500, strains=strains, behaviours=behaviours))


def test_robust_holds_the_fall_under_one_strain_against_its_limit():
    found = stressed(
        strain(mark(0.03, 0.01, 0.05)), strain(mark(0.2, 0.1, 0.3), severity=0.5), strain(mark(0.1, 0.0, 0.2), features=("a",))
    )
    assert said(declared.robust("roc_auc", to="missing", by=0.04), found)[0] is PASS
    assert said(declared.robust("roc_auc", to="missing", by=0.04, bound="bound"), found)[0] is FAIL
    assert said(declared.robust(to="missing", by=0.04, severity=0.5), found)[0] is FAIL
    outcome, reason = said(declared.robust(to="missing", by=0.04, feature="a"), found)
    assert outcome is FAIL and "falls by +0.1" in reason and "a missing (0.2)" in reason


def test_robust_takes_the_worst_of_strains_that_befall_one_column():
    found = stressed(
        strain(mark(0.01, 0.0, 0.02), to="scaled", features=("a",), severity=10.0),
        strain(mark(0.3, 0.2, 0.4), to="scaled", features=("b",), severity=10.0),
    )
    outcome, reason = said(declared.robust(to="scaled", by=0.1), found)
    assert outcome is FAIL and "b scaled (10)" in reason
    broken = stressed(strain(mark(math.nan), note="ValueError: x"))
    assert said(declared.robust(to="missing", by=0.1), broken) == (FAIL, "roc_auc under missing: ValueError: x")
    assert said(declared.robust(to="unseen", by=0.1), found)[0] is PASS, "nothing can be unseen without texts"
    assert said(declared.robust(to="unseen", by=0.1), Examination(made_from=(), untold={"stress": "it broke"}))[0] is FAIL


def behaved(gate: Gate, share: float, *, worst: tuple[Example, ...] = (), note: str = "") -> Examination:
    violated = Estimate(value=share, low=max(0.0, share - 0.01), high=share + 0.01, n=200)
    return stressed(
        behaviours=(Behaviour(test="invariant", name=str(gate), subject="sex", tried=200, violated=violated, worst=worst, note=note),)
    )


def test_behaviour_passes_up_to_the_share_that_is_borne_and_names_the_worst():
    strict, lenient = declared.invariant("sex"), declared.invariant("sex", share=0.05)
    worst = (Example(key="k7", change="sex: f → m", before="0.2", after="0.6"),)
    assert said(strict, behaved(strict, 0.0))[0] is PASS
    outcome, reason = said(strict, behaved(strict, 0.02, worst=worst))
    assert outcome is FAIL and reason.startswith("4 of 200 rows miss it") and reason.endswith("k7 (sex: f → m): 0.2 → 0.6")
    assert said(lenient, behaved(lenient, 0.02))[0] is PASS
    assert said(strict, behaved(strict, 0.0, note="there is nothing to change it to"))[0] is FAIL
    assert said(strict, stressed())[0] is FAIL


def test_gates_say_what_they_ask():
    assert str(declared.fair("four_fifths", column="sex", limit=0.8)) == "fair('four_fifths', column='sex', limit=0.8)"
    assert str(declared.fair(policy="eu")) == "fair(policy='eu')"
    assert str(declared.fair(policy={"name": "ours"})) == "fair(policy='ours')"
    assert str(declared.robust("roc_auc", to="noise", by=0.02)) == "robust('roc_auc', to='noise', by=0.02, severity=0.3)"
    assert str(declared.invariant("sex")) == "invariant('sex')"
    assert str(declared.invariant("sex", name="blind to sex")) == "invariant('blind to sex')"
    assert str(declared.monotone("income", "up", share=0.01)) == "monotone('income', 'up', share=0.01)"
    assert str(declared.expected("cases.csv")) == "expected('cases.csv')"
    assert str(declared.expected([{"a": 1, "expect": 1}])) == "expected(1 cases)"
