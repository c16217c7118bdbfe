"""Gates on how a candidate behaves: under strain, and in tests of behaviour."""

from __future__ import annotations

import math

from noria.core.declaration.conduct import BehaviourGate, RobustGate
from noria.core.declaration.gates import Gate
from noria.core.examination.examination import Examination
from noria.core.examination.stress import Behaviour, Strain
from noria.core.judging import GateResult, Outcome
from noria.stages.governance.limits import TOO_FEW
from noria.stages.governance.words import spoken

NAMED = 3
"""Rows named in a reason; the examination holds more."""


def robust(gate: Gate, examination: Examination) -> GateResult:
    """The metric, or the upper end of its interval, falls no further than is borne."""
    assert isinstance(gate, RobustGate)
    stress = examination.stress
    if stress is None:
        return _untold(gate, examination)
    metric = gate.metric or stress.metric
    asked = [strain for strain in stress.strains if strain.metric == metric and _is_of(strain, gate)]
    if not asked:
        return GateResult(gate=str(gate), outcome=Outcome.PASS, reason=f"no feature can be strained by {gate.to!r}")
    worst = max(asked, key=lambda strain: (math.isnan(_fall(strain, gate)), _fall(strain, gate)))
    fall = _fall(worst, gate)
    numbers = {"fall": worst.fall.value, "low": worst.fall.low, "high": worst.fall.high, "limit": gate.margin, "changed": worst.changed}
    if math.isnan(fall):
        return GateResult(
            gate=str(gate), outcome=Outcome.FAIL, reason=f"{metric} under {gate.to}: {worst.note or TOO_FEW}", numbers=numbers
        )
    held = fall <= gate.margin
    where = "all features" if worst.features == ("*",) else " and ".join(worst.features)
    reason = (
        f"{metric} falls by {spoken(worst.fall, signed=True)} with {where} {worst.to} ({worst.severity:g}), "
        f"{'limit' if held else 'more than'} {gate.margin:g}; {worst.changed:.1%} of answers change"
    )
    return GateResult(gate=str(gate), outcome=Outcome.PASS if held else Outcome.FAIL, reason=reason, numbers=numbers)


def behaves(gate: Gate, examination: Examination) -> GateResult:
    """No more than the borne share of rows, or of cases, miss the test."""
    assert isinstance(gate, BehaviourGate)
    stress = examination.stress
    tried = next((one for one in stress.behaviours if one.name == str(gate)), None) if stress else None
    if tried is None:
        return _untold(gate, examination)
    if math.isnan(tried.violated.value) or tried.note:
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=tried.note or TOO_FEW)
    held = tried.violated.value <= gate.share
    reason = f"{_share(tried)}{f', limit {gate.share:.2%}' if gate.share else ''}{_worst(tried)}"
    numbers = {"violated": tried.violated.value, "low": tried.violated.low, "high": tried.violated.high, "limit": gate.share}
    return GateResult(gate=str(gate), outcome=Outcome.PASS if held else Outcome.FAIL, reason=reason, numbers=numbers)


def _share(tried: Behaviour) -> str:
    what = "cases" if tried.test == "expected" else "rows"
    missed = round(tried.violated.value * tried.violated.n)
    return f"{missed} of {tried.violated.n} {what} miss it ({tried.violated.value:.2%}, at most {tried.violated.high:.2%})"


def _worst(tried: Behaviour) -> str:
    if not tried.worst:
        return ""
    expects = "expected {0}, came {1}" if tried.test == "expected" else "{0} → {1}"
    said = [f"{one.key}{f' ({one.change})' if one.change else ''}: {expects.format(one.before, one.after)}" for one in tried.worst[:NAMED]]
    return f"; {'; '.join(said)}"


def _is_of(strain: Strain, gate: RobustGate) -> bool:
    if strain.to != gate.to or strain.severity != gate.severity:
        return False
    if gate.column:
        return gate.column in strain.features
    return strain.features == ("*",) or gate.to in ("scaled", "swapped")


def _fall(strain: Strain, gate: RobustGate) -> float:
    return strain.fall.value if gate.bound == "value" else strain.fall.high


def _untold(gate: Gate, examination: Examination) -> GateResult:
    return GateResult(
        gate=str(gate), outcome=Outcome.FAIL, reason=f"it was not tried: {examination.untold.get('stress', 'no reason kept')}"
    )
