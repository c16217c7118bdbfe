"""Hold a scorecard against gates and say, for each, whether it passes and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from noria.core.declaration.gates import Gate
from noria.core.errors import NotFound
from noria.core.examination.examination import Examination
from noria.core.judging import Approval, GateResult, Outcome, Scorecard, Verdict
from noria.stages.governance.comparisons import (
    beats_baselines,
    beats_champion,
    equivalent_to_champion,
    no_slice_worse,
    not_worse_than_champion,
)
from noria.stages.governance.conduct import behaves, robust
from noria.stages.governance.fairness import fair
from noria.stages.governance.limits import at_least, at_most, latency, size

CHECKS: Mapping[str, Callable[[Gate, Scorecard], GateResult]] = MappingProxyType(
    {
        "at-least": at_least,
        "at-most": at_most,
        "beats-champion": beats_champion,
        "not-worse-than-champion": not_worse_than_champion,
        "equivalent-to-champion": equivalent_to_champion,
        "no-slice-worse": no_slice_worse,
        "latency": latency,
        "size": size,
    }
)
EXAMINED: Mapping[str, Callable[[Gate, Examination], GateResult]] = MappingProxyType(
    {"beats-baselines": beats_baselines, "fair": fair, "robust": robust, "behaves": behaves}
)
"""Checks that look behind the marks."""

APPROVAL = "approval"


def judge(gates: Sequence[Gate], card: Scorecard, *, examination: Examination | None = None, approval: Approval | None = None) -> Verdict:
    """Judge a candidate by every gate: fail beats needs-approval beats pass.

    Args:
        examination: What was looked at behind the card; a gate that asks for it fails without it.
        approval: A person's decision, once there is one; until then an approval gate waits.

    Raises:
        NotFound: a gate asks for a check that Noria does not know.
    """
    results = tuple(_result(gate, card, examination, approval) for gate in gates)
    outcomes = {result.outcome for result in results}
    worst = next((outcome for outcome in (Outcome.FAIL, Outcome.NEEDS_APPROVAL) if outcome in outcomes), Outcome.PASS)
    return Verdict(outcome=worst, results=results)


def _result(gate: Gate, card: Scorecard, examination: Examination | None, approval: Approval | None) -> GateResult:
    if gate.check == APPROVAL:
        return _asked(gate, approval)
    if gate.check in CHECKS:
        return CHECKS[gate.check](gate, card)
    if gate.check not in EXAMINED:
        raise NotFound(f"there is no gate check {gate.check!r}", fix=f"the checks are {', '.join(sorted([*CHECKS, *EXAMINED, APPROVAL]))}")
    if examination is None:
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason="the candidate was not examined")
    result = EXAMINED[gate.check](gate, examination)
    return _decided(result, approval) if approval and result.outcome is Outcome.NEEDS_APPROVAL else result


def _decided(result: GateResult, approval: Approval) -> GateResult:
    """A gate that could not tell by itself, once a person has seen what it saw."""
    said = "approved" if approval.granted else "refused"
    outcome = Outcome.PASS if approval.granted else Outcome.FAIL
    return replace(
        result, outcome=outcome, reason=f"{said} by {approval.by}{f' ({approval.reason})' if approval.reason else ''}: {result.reason}"
    )


def _asked(gate: Gate, approval: Approval | None) -> GateResult:
    """Wait for a person, then do as they say; what anybody else says opens nothing."""
    if approval is None:
        return GateResult(gate=str(gate), outcome=Outcome.NEEDS_APPROVAL, reason=f"waits for {gate.by or 'a person'}: noria approve")
    if gate.by and approval.by != gate.by:
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=f"decided by {approval.by}, but only {gate.by} may")
    said = "approved" if approval.granted else "refused"
    reason = f"{said} by {approval.by}" + (f": {approval.reason}" if approval.reason else "")
    return GateResult(gate=str(gate), outcome=Outcome.PASS if approval.granted else Outcome.FAIL, reason=reason)
