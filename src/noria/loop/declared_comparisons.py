"""What can be wrong with how a loop compares its models: margins, confidences, backtests, the judge of expected gain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from noria.core.declaration.gates import Gate
from noria.core.declaration.loop import Loop
from noria.core.moments import spoken
from noria.loop.mistakes import Mistake

MARGIN_NEEDED = ("not-worse-than-champion", "equivalent-to-champion")
BY_CONFIDENCE = (*MARGIN_NEEDED, "beats-baselines")


def mistakes_of_comparing(loop: Loop) -> Iterator[Mistake]:
    """Every mistake in gates that compare, `retrain=`, `backtest=` and `lofo=`."""
    for gate in loop.gates:
        yield from _of_gate(gate)
    if loop.retrain.probe and loop.retrain.min_gain is not None and not loop.retrain.min_gain > 0:
        yield "retrain", f"min_gain={loop.retrain.min_gain:g} is worth no turn", "say which gain in the loop's metric is worth one, above 0"
    if loop.retrain.ask is not None and not loop.retrain.probe:
        yield "retrain", f"ask={spoken(loop.retrain.ask)} asks nobody", "write probe=True too: it is the judge that is asked"
    if loop.retrain.ask is not None and loop.retrain.ask <= timedelta(0):
        yield "retrain", "ask is no time at all", "say how often, such as ask='14d'"
    wanted = loop.backtest
    if wanted is not None and wanted.windows < 1:
        yield "backtest", f"{wanted.windows} windows", "ask for at least one, 4 are usual"
    if wanted is not None and wanted.tolerance is not None and not wanted.tolerance > 0:
        yield "backtest", f"tolerance={wanted.tolerance:g} leaves nothing to lose", "say how much of the metric may be lost, above 0"
    if loop.lofo < 0:
        yield "lofo", f"{loop.lofo} features", "say how many of the most important ones, 0 or more"
    if loop.retrain.cost < 0:
        yield "retrain", f"cost={loop.retrain.cost:g}", "say what a turn costs, 0 or more"


def _of_gate(gate: Gate) -> Iterator[Mistake]:
    part = f"gate {gate}"
    if gate.check in MARGIN_NEEDED and not gate.margin > 0:
        yield part, f"a margin of {gate.margin:g} can never be shown", "say how much worse still is good enough, above 0"
    if gate.check == "beats-baselines" and gate.margin < 0:
        yield part, f"a margin of {gate.margin:g} asks for a worse model", "ask for 0 or more"
    if gate.check in BY_CONFIDENCE and not 0.5 < gate.confidence < 1:
        yield part, f"a confidence of {gate.confidence:g}", "keep it between 0.5 and 1; 0.95 is usual"
