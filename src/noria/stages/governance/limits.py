"""Gates that hold one number of the scorecard against a limit."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from noria.core.declaration.gates import Gate
from noria.core.judging import GateResult, Outcome, Scorecard
from noria.stages.governance.words import spoken

MEGABYTE = 1_000_000
TOO_FEW = "not enough rows to tell"
SPOKEN = {"value": "value", "low": "lower end", "high": "upper end"}


def at_least(gate: Gate, card: Scorecard) -> GateResult:
    """Each metric, or the lower end of its interval, reaches its limit."""
    return _marks(gate, card, end="low", holds=operator.ge, miss="below")


def at_most(gate: Gate, card: Scorecard) -> GateResult:
    """Each metric, or the upper end of its interval, stays within its limit."""
    return _marks(gate, card, end="high", holds=operator.le, miss="above")


def latency(gate: Gate, card: Scorecard) -> GateResult:
    """99 of 100 single-row answers come in time."""
    return _measured(gate, "p99_ms", card.latency_p99_ms, "99 % of answers come within {0:.3g} ms", "ms")


def size(gate: Gate, card: Scorecard) -> GateResult:
    """The package is not larger than so many megabytes."""
    megabytes = card.size_bytes / MEGABYTE if card.size_bytes > 0 else math.nan
    return _measured(gate, "mb", megabytes, "the package has {0:.3g} MB", "MB")


def _marks(gate: Gate, card: Scorecard, *, end: str, holds: Callable[[float, float], bool], miss: str) -> GateResult:
    """Hold every metric of the gate against its limit, and name each that misses."""
    judged = "value" if gate.bound == "value" else end
    met: list[str] = []
    missed: list[str] = []
    numbers: dict[str, float] = {}
    for name, limit in gate.limits.items():
        mark = card.metrics.get(name)
        number = math.nan if mark is None else getattr(mark, judged)
        numbers |= {name: number, f"{name} limit": limit}
        if mark is None:
            missed.append(f"{name} was not measured")
        elif math.isnan(number):
            missed.append(f"{name}: {TOO_FEW}")
        elif holds(number, limit):
            met.append(f"{name} is {spoken(mark)}, limit {limit:g}")
        else:
            missed.append(f"{name} is {spoken(mark)}, its {SPOKEN[judged]} {miss} {limit:g}")
    outcome = Outcome.FAIL if missed else Outcome.PASS
    return GateResult(gate=str(gate), outcome=outcome, reason="; ".join(missed or met), numbers=numbers)


def _measured(gate: Gate, limit_name: str, number: float, sentence: str, unit: str) -> GateResult:
    limit = gate.limits[limit_name]
    held = number <= limit
    reason = (
        "it was not measured" if math.isnan(number) else f"{sentence.format(number)}, {'limit' if held else 'more than'} {limit:g} {unit}"
    )
    outcome = Outcome.PASS if held else Outcome.FAIL
    return GateResult(gate=str(gate), outcome=outcome, reason=reason, numbers={limit_name: number, f"{limit_name} limit": limit})
