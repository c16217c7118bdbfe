"""Gates on gaps between groups: they act on what is shown, and ask a person about what is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noria.core.declaration.conduct import JOINED, FairGate
from noria.core.declaration.gates import Gate
from noria.core.examination.examination import Examination
from noria.core.examination.fairness import FairnessReport, Gap
from noria.core.judging import GateResult, Outcome
from noria.core.schema import Estimate
from noria.stages.governance.policies import Rule, policy
from noria.stages.governance.words import spoken

RATIO = "four_fifths"
UNSURE = {"approve": Outcome.NEEDS_APPROVAL, "pass": Outcome.PASS, "fail": Outcome.FAIL}
SHOWN = {"block": Outcome.FAIL, "approve": Outcome.NEEDS_APPROVAL, "report": Outcome.PASS}
NAMED = 6
"""Gaps named in a reason, what is shown before what is not; the numbers hold all of them."""

WORST = (Outcome.FAIL, Outcome.NEEDS_APPROVAL, Outcome.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one rule says of one gap."""

    outcome: Outcome
    reason: str
    shown: bool = False


def fair(gate: Gate, examination: Examination) -> GateResult:
    """No gap is shown to be beyond its limit, and each is shown to be within."""
    assert isinstance(gate, FairGate)
    report = examination.fairness
    if report is None:
        why = examination.untold.get("fairness", "the loop declares no nr.Fairness(columns=…)")
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=f"groups were not looked at: {why}")
    rules, unsure, asked = _rules(gate)
    gaps = [(rule, gap) for rule in rules for gap in report.gaps if gap.measure == rule.measure and _asks_about(gate, gap.column)]
    said = sorted((_of_gap(rule, gap, unsure) for rule, gap in gaps), key=lambda one: not one.shown)
    said += [_not_told(rule, report, gate, unsure) for rule in rules if not any(of is rule for of, _ in gaps)]
    outcome = next(worst for worst in WORST if any(one.outcome is worst for one in said))
    numbers: dict[str, float] = {}
    for rule, gap in gaps:
        mark = _mark(gap)
        name = f"{gap.measure} {gap.rate} {gap.column}"
        numbers |= {name: mark.value, f"{name} low": mark.low, f"{name} high": mark.high, f"{name} limit": rule.limit}
    told = [one.reason for one in said if one.outcome is outcome]
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return GateResult(gate=str(gate), outcome=outcome, reason=f"{asked}{'; '.join(told[:NAMED])}{more}", numbers=numbers)


def _rules(gate: FairGate) -> tuple[Sequence[Rule], str, str]:
    """The rules to hold, what follows when one cannot be told, and what they are from."""
    if not gate.policy:
        return [Rule(measure=gate.measure, limit=gate.margin, action=gate.action)], gate.unsure, ""
    whole = policy(gate.policy)
    return whole.rules, gate.unsure, f"{whole.name}, version {whole.version}: "


def _asks_about(gate: FairGate, column: str) -> bool:
    return not gate.column or set(gate.column.split(JOINED)) == set(column.split(JOINED))


def _mark(gap: Gap) -> Estimate:
    return gap.ratio if gap.measure == RATIO else gap.difference


def _of_gap(rule: Rule, gap: Gap, unsure: str) -> _Said:
    mark = _mark(gap)
    by_ratio = gap.measure == RATIO
    told = f"{gap.rate} of {gap.column} {gap.lowest} against {gap.highest}: {'ratio' if by_ratio else 'gap'} {spoken(mark)}, limit {rule.limit:g}"
    if gap.measure == RATIO and math.isfinite(gap.p):
        told += f", p={gap.p:.2g}"
    if math.isnan(mark.low):
        return _Said(outcome=_unsure(rule, unsure), reason=f"{told}: cannot be told")
    if mark.high < rule.limit if by_ratio else mark.low > rule.limit:
        return _Said(outcome=SHOWN[rule.action], reason=f"{told}: shown to be beyond it", shown=True)
    if not gap.enough:
        return _Said(outcome=_unsure(rule, unsure), reason=f"{told}: insufficient n, a group has only {gap.fewest} rows to tell by")
    if mark.low < rule.limit if by_ratio else mark.high > rule.limit:
        return _Said(outcome=_unsure(rule, unsure), reason=f"{told}: not shown to be within it")
    return _Said(outcome=Outcome.PASS, reason=f"{told}: within it")


def _unsure(rule: Rule, unsure: str) -> Outcome:
    return Outcome.PASS if rule.action == "report" else UNSURE[unsure]


def _not_told(rule: Rule, report: FairnessReport, gate: FairGate, unsure: str) -> _Said:
    seen = [group for group in report.groups if _asks_about(gate, group.column)]
    what = f"of {len(seen)} groups fewer than two have 30 rows to tell by" if seen else "no group has enough rows"
    return _Said(
        outcome=_unsure(rule, unsure), reason=f"{rule.measure}{f' of {gate.column}' if gate.column else ''}: insufficient n, {what}"
    )
