"""Gates that hold the candidate against the champion, on all rows and slice by slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from scipy.special import stdtr, stdtridf, stdtrit

from noria.core.declaration.gates import Gate
from noria.core.examination.comparing import Claim, claimed
from noria.core.examination.examination import Examination
from noria.core.judging import GateResult, Outcome, Scorecard, SliceMark
from noria.core.schema import Estimate
from noria.stages.governance.limits import TOO_FEW
from noria.stages.governance.words import spoken

NO_CHAMPION = "no champion yet"
NAMED = 5
"""Slices named in a reason; the numbers hold all of them."""


def beats_champion(gate: Gate, card: Scorecard) -> GateResult:
    """The whole interval of the paired difference lies above −margin."""
    if not card.champion:
        return GateResult(gate=str(gate), outcome=Outcome.PASS, reason=NO_CHAMPION)
    versus = card.versus_champion.get(gate.metric)
    if versus is None or math.isnan(versus.low):
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=f"{gate.metric} against the champion: {TOO_FEW}")
    held = versus.low > -gate.margin
    claim = f"no more than {gate.margin:g} worse than" if gate.margin else "better than"
    reason = f"{gate.metric} gains {spoken(versus, signed=True)}: it is {'' if held else 'not shown to be '}{claim} {card.champion}"
    return GateResult(gate=str(gate), outcome=Outcome.PASS if held else Outcome.FAIL, reason=reason, numbers=_numbers(gate, versus))


def not_worse_than_champion(gate: Gate, card: Scorecard) -> GateResult:
    """The whole interval of the paired difference, at the gate's confidence, lies above −margin (non-inferiority)."""
    return _against_champion(gate, card, lambda versus: versus.low > -gate.margin, f"not worse than {card.champion} by {gate.margin:g}")


def equivalent_to_champion(gate: Gate, card: Scorecard) -> GateResult:
    """The whole interval lies within ± margin: two one-sided tests (Schuirmann 1987)."""
    return _against_champion(
        gate, card, lambda versus: -gate.margin < versus.low and versus.high < gate.margin, f"within {gate.margin:g} of {card.champion}"
    )


def beats_baselines(gate: Gate, examination: Examination) -> GateResult:
    """The candidate is shown better, by more than the margin, than the simple model that is best by the gate's metric."""
    found = examination.baselines
    against = next((one for one in found.by_metric if one.metric == gate.metric), None) if found else None
    if against is None or math.isnan(against.versus.low):
        why = examination.untold.get("baselines", TOO_FEW)
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=f"{gate.metric} against simple models: {why}")
    versus = at_confidence(against.versus, gate.confidence)
    held = versus.low > gate.margin
    better = f"better by more than {gate.margin:g}" if gate.margin else "better"
    shown = f"{'shown' if held else 'not shown'} {better} than the {against.baseline} baseline"
    reason = f"{gate.metric} gains {spoken(versus, signed=True)}: {shown}"
    return GateResult(gate=str(gate), outcome=Outcome.PASS if held else Outcome.FAIL, reason=reason, numbers=_numbers(gate, versus))


def at_confidence(versus: Estimate, confidence: float) -> Estimate:
    """The same difference with the interval of another level, by Student's t with its own degrees of freedom."""
    if confidence == versus.level or not versus.se > 0:
        return replace(versus, level=confidence)
    reach = float(stdtrit(_freedom(versus), (1.0 + confidence) / 2.0)) * versus.se
    return replace(versus, low=versus.value - reach, high=versus.value + reach, level=confidence)


def _against_champion(gate: Gate, card: Scorecard, holds: Callable[[Estimate], bool], claim: str) -> GateResult:
    if not card.champion:
        return GateResult(gate=str(gate), outcome=Outcome.PASS, reason=NO_CHAMPION)
    versus = card.versus_champion.get(gate.metric)
    if versus is None or math.isnan(versus.low):
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=f"{gate.metric} against the champion: {TOO_FEW}")
    versus = at_confidence(versus, gate.confidence)
    held, shown = holds(versus), claimed(versus, gate.margin)
    apart = f"; it is {shown}" if not held and shown is Claim.WORSE else ""
    said = f"{'shown' if held else 'not shown'} to be {claim}, at {gate.confidence:.0%} confidence{apart}"
    reason = f"{gate.metric} differs by {spoken(versus, signed=True)}: {said}"
    return GateResult(gate=str(gate), outcome=Outcome.PASS if held else Outcome.FAIL, reason=reason, numbers=_numbers(gate, versus))


def _numbers(gate: Gate, versus: Estimate) -> dict[str, float]:
    return {"gain": versus.value, "low": versus.low, "high": versus.high, "margin": gate.margin, "rows": float(versus.n)}


def no_slice_worse(gate: Gate, card: Scorecard) -> GateResult:
    """No slice's whole interval lies below −margin, with Holm's (1979) adjustment over the slices."""
    if not card.champion:
        return GateResult(gate=str(gate), outcome=Outcome.PASS, reason=NO_CHAMPION)
    slices = _asked_about(gate, card)
    told = [(slice, slice.versus) for slice in slices if slice.versus and not math.isnan(slice.versus.se)]
    if not told:
        reason = f"no slice of {gate.column!r} has the {gate.min_rows} rows that it takes: {TOO_FEW}"
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=reason, numbers={"slices": float(len(slices))})
    worse = [told[at][0] for at in _shown_worse([versus for _, versus in told], gate.margin)]
    numbers = {f"{gate.column}={slice.value}": versus.value for slice, versus in told}
    if worse:
        return GateResult(gate=str(gate), outcome=Outcome.FAIL, reason=_named(worse, gate), numbers=numbers)
    lowest = min(told, key=lambda pair: pair[1].value)
    reason = f"none of {len(told)} slices is shown to be worse by {gate.margin:g}; the lowest is {_gain(lowest[0])}"
    return GateResult(gate=str(gate), outcome=Outcome.PASS, reason=reason, numbers=numbers)


def _asked_about(gate: Gate, card: Scorecard) -> list[SliceMark]:
    """The slices of the gate's column that are large enough, by its metric, or by the scorecard's first one when it names none."""
    by = gate.metric or next((slice.metric for slice in card.slices), "")
    return [slice for slice in card.slices if (slice.column, slice.metric) == (gate.column, by) and slice.mark.n >= gate.min_rows]


def _shown_worse(gains: Sequence[Estimate], margin: float) -> list[int]:
    """Places of the gains that lie below −margin, the chance of naming any wrongly kept at that of one interval's end."""
    chances = sorted((_chance_at_least(gain, -margin), at) for at, gain in enumerate(gains))
    shown = []
    for rank, (chance, at) in enumerate(chances):
        if chance > (1.0 - gains[at].level) / 2.0 / (len(gains) - rank):
            break
        shown.append(at)
    return shown


def _chance_at_least(gain: Estimate, floor: float) -> float:
    """One-sided p-value of "the true gain is at least `floor`", by Student's t with the interval's own degrees of freedom."""
    if gain.se == 0.0:
        return 1.0 if gain.value >= floor else 0.0
    return float(stdtr(_freedom(gain), (gain.value - floor) / gain.se))


def _freedom(gain: Estimate) -> float:
    """The degrees of freedom that the interval was made with."""
    freedom = float(stdtridf((1.0 + gain.level) / 2.0, (gain.high - gain.value) / gain.se))
    return freedom if math.isfinite(freedom) and freedom > 0 else 1e9


def _named(worse: Sequence[SliceMark], gate: Gate) -> str:
    listed = "; ".join(_gain(slice) for slice in worse[:NAMED])
    more = f"; and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
    return f"worse than the champion by more than {gate.margin:g} in {listed}{more}"


def _gain(slice: SliceMark) -> str:
    gain = spoken(slice.versus, signed=True) if slice.versus else "unknown"
    return f"{slice.column}={slice.value} ({slice.metric} {gain}, {slice.mark.n} rows)"
