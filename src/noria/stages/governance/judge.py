"""Hold a scorecard against gates and say, for each, whether it passes and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from noria.core.declaration.gates import Gate
from noria.core.errors import NotFound
from noria.core.judging import Approval, GateResult, Outcome, Scorecard, Verdict
from noria.stages.governance.comparisons import beats_champion, no_slice_worse
from noria.stages.governance.limits import at_least, at_most, latency, size

CHECKS: Mapping[str, Callable[[Gate, Scorecard], GateResult]] = MappingProxyType(
    {
        "at-least": at_least,
        "at-most": at_most,
        "beats-champion": beats_champion,
        "no-slice-worse": no_slice_worse,
        "latency": latency,
        "size": size,
    }
)
APPROVAL = "approval"


def judge(gates: Sequence[Gate], card: Scorecard, *, approval: Approval | None = None) -> Verdict:
    """Judge a candidate by every gate: fail beats needs-approval beats pass.

    Args:
        approval: A person's decision, once there is one; until then an approval gate waits.

    Raises:
        NotFound: a gate asks for a check that Noria does not know.
    """
    results = tuple(_asked(gate, approval) if gate.check == APPROVAL else _check_of(gate)(gate, card) for gate in gates)
    outcomes = {result.outcome for result in results}
    worst = next((outcome for outcome in (Outcome.FAIL, Outcome.NEEDS_APPROVAL) if outcome in outcomes), Outcome.PASS)
    return Verdict(outcome=worst, results=results)


def _asked(gate: Gate, approval: Approval | None) -> GateResult:
    """Wait for a person, then do as they say; what anybody else says opens nothing."""
    if approval is None:
        return GateResult(gate=str(gate), outcome=Outcome.NEEDS_APPROVAL, reason=f"waits for {gate.by or 'a person'}: noria approve")
    if gate.by and approval.by != gate.by:
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=f"decided by {approval.by}, but only {gate.by} may")
    said = "approved" if approval.granted else "refused"
    reason = f"{said} by {approval.by}" + (f": {approval.reason}" if approval.reason else "")
    return GateResult(gate=str(gate), outcome=Outcome.PASS if approval.granted else Outcome.FAIL, reason=reason)


def _check_of(gate: Gate) -> Callable[[Gate, Scorecard], GateResult]:
    check = CHECKS.get(gate.check)
    if check is None:
        raise NotFound(f"there is no gate check {gate.check!r}", fix=f"the checks are {', '.join(sorted([*CHECKS, APPROVAL]))}")
    return check
