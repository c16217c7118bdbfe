"""What can be wrong with how a loop asks after conduct: groups, policies, strains, tests of behaviour, and leaks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noria.core.declaration.conduct import ACTIONS, JOINED, SEVERITY, UNSURE, BehaviourGate, FairGate, RobustGate
from noria.core.declaration.features import OnDemand
from noria.core.declaration.inspection import LEAKAGE_CHECKS
from noria.core.declaration.loop import Loop
from noria.core.errors import NoriaError
from noria.core.examination.fairness import MEASURES
from noria.core.schema import Kind, Task
from noria.loop.mistakes import Mistake, nearest
from noria.stages.evaluation.cases import EXPECTED, read_cases
from noria.stages.evaluation.group_rates import CLASS_RATES, NUMBER_RATES
from noria.stages.governance.policies import policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a loop before anything runs: columns of the label's dataset, features, tasks that fit, and its folder."""

    columns: Mapping[str, Kind]
    features: Collection[str]
    tasks: Sequence[Task]
    folder: Path


def mistakes_of_conduct(loop: Loop, known: Known) -> Iterator[Mistake]:
    """Every mistake in `fairness=`, `leakage=` and the gates on conduct."""
    yield from _of_fairness(loop, known)
    yield from _of_leakage(loop, known)
    for gate in loop.gates:
        if isinstance(gate, FairGate):
            yield from _of_fair(gate, loop, known)
        elif isinstance(gate, RobustGate):
            yield from _of_robust(gate, known)
        elif isinstance(gate, BehaviourGate):
            yield from _of_cases(gate, loop, known) if gate.test == "expected" else _of_behaviour(gate, known)


def _of_fairness(loop: Loop, known: Known) -> Iterator[Mistake]:
    declared = loop.fairness
    if declared is None:
        return
    if not declared.columns:
        yield "fairness", "no column is named", "write nr.Fairness(columns=[…])"
    for name in declared.columns:
        if name == loop.label.column:
            yield "fairness", f"the label {name!r} cannot make groups", "name a column that people are told apart by"
        elif name not in known.columns:
            yield "fairness", f"column {name!r} does not exist", nearest(name, known.columns)
        elif known.columns[name] is Kind.TIME:
            yield "fairness", f"{name!r} holds times, which make no groups", "name a column of texts or numbers"
    if declared.threshold is not None and not 0.0 < declared.threshold < 1.0:
        yield "fairness", f"a threshold of {declared.threshold:g}", "keep it between 0 and 1"
    if not declared.favourable and tuple(known.tasks) == (Task.MULTICLASS,):
        yield "fairness", "of several classes none is said to be the good one", "write favourable=…"
    if declared.min_rows < 1:
        yield "fairness", f"min_rows={declared.min_rows}", "ask for at least one row"


def _of_leakage(loop: Loop, known: Known) -> Iterator[Mistake]:
    for allowed in loop.leakage.allow:
        check = allowed.partition(":")[0]
        if check not in LEAKAGE_CHECKS:
            yield "leakage", f"there is no check {check!r}", nearest(check, LEAKAGE_CHECKS)
    for name in loop.leakage.groups:
        if name not in known.columns or name == loop.label.column:
            yield "leakage", f"column {name!r} cannot be kept on one side", nearest(name, known.columns)


def _of_fair(gate: FairGate, loop: Loop, known: Known) -> Iterator[Mistake]:
    part = f"gate {gate}"
    if loop.fairness is None:
        yield part, "the loop says of no column that its groups are compared", "write fairness=nr.Fairness(columns=[…])"
    elif gate.column and not set(gate.column.split(JOINED)) <= set(loop.fairness.columns):
        yield part, f"groups of {gate.column!r} are not compared", nearest(gate.column, loop.fairness.columns)
    elif JOINED in gate.column and not loop.fairness.intersections:
        yield part, "intersections are not looked at", "write nr.Fairness(…, intersections=True)"
    elif len(gate.column.split(JOINED)) not in (1, 2, len(loop.fairness.columns)):
        yield part, f"no groups are made of these {len(gate.column.split(JOINED))} columns", "name one, two, or all of them"
    if gate.unsure not in UNSURE:
        yield part, f"unsure={gate.unsure!r}", f"choose of {', '.join(UNSURE)}"
    if gate.policy:
        try:
            policy(gate.policy)
        except (NoriaError, ValueError, TypeError, AttributeError) as error:
            yield part, str(getattr(error, "message", error)), getattr(error, "fix", "") or "see the policies in the reference"
        return
    if gate.action not in ACTIONS:
        yield part, f"action={gate.action!r}", f"choose of {', '.join(ACTIONS)}"
    if gate.measure not in MEASURES:
        yield part, f"there is no measure {gate.measure!r}", nearest(gate.measure, MEASURES)
    elif not any(set(MEASURES[gate.measure]) & set(_rates_for(task)) for task in known.tasks):
        yield part, f"{gate.measure!r} is no measure of a {' or '.join(known.tasks)} task", f"there are {', '.join(_measures_for(known))}"
    if gate.margin < 0 or (gate.measure == "four_fifths" and not 0 < gate.margin <= 1):
        yield part, f"a limit of {gate.margin:g}", "four_fifths takes a ratio such as 0.8, the others a difference of 0 or more"


def _rates_for(task: Task) -> Collection[str]:
    return NUMBER_RATES if task.numeric else CLASS_RATES


def _measures_for(known: Known) -> list[str]:
    rates = {name for task in known.tasks for name in _rates_for(task)}
    return [measure for measure, of in MEASURES.items() if set(of) & rates]


def _of_robust(gate: RobustGate, known: Known) -> Iterator[Mistake]:
    part = f"gate {gate}"
    if gate.to not in SEVERITY:
        yield part, f"there is no strain {gate.to!r}", nearest(gate.to, SEVERITY)
    elif not gate.severity > 0 or (gate.to in ("missing", "unseen") and gate.severity > 1):
        yield part, f"a severity of {gate.severity:g}", "a share of rows for missing and unseen, else a number above 0"
    if gate.column and gate.column not in known.features:
        yield part, f"feature {gate.column!r} does not exist", nearest(gate.column, known.features)
    if gate.bound not in ("value", "bound"):
        yield part, f"bound={gate.bound!r}", "choose of value, bound"


def _of_behaviour(gate: BehaviourGate, known: Known) -> Iterator[Mistake]:
    part = f"gate {gate}"
    yield from _of_share(gate, part)
    if gate.column not in known.features:
        yield part, f"feature {gate.column!r} does not exist", nearest(gate.column, known.features)
    elif gate.test == "monotone" and known.columns.get(gate.column) in (Kind.TEXT, Kind.TIME):
        yield part, f"{gate.column!r} holds {known.columns[gate.column]}, which has no up and down here", "name a number"
    if gate.test == "monotone" and gate.direction not in ("up", "down"):
        yield part, f"direction {gate.direction!r}", "choose of up, down"
    if gate.test == "monotone" and not gate.of and tuple(known.tasks) == (Task.MULTICLASS,):
        yield part, "of several classes none is named", "write of=…, the class whose probability is asked about"


def _of_cases(gate: BehaviourGate, loop: Loop, known: Known) -> Iterator[Mistake]:
    part = f"gate {gate}"
    yield from _of_share(gate, part)
    try:
        cases = read_cases(gate.cases, known.folder)
    except NoriaError as error:
        yield part, error.message, error.fix or "mend the cases"
        return
    inputs = {name for feature in loop.features if isinstance(feature, OnDemand) for name in feature.inputs}
    words = {*EXPECTED, "name", "of", *known.features, *inputs}
    for name in sorted({str(name) for case in cases for name in case} - words)[:10]:
        yield part, f"feature {name!r} of a case does not exist", nearest(name, words)


def _of_share(gate: BehaviourGate, part: str) -> Iterator[Mistake]:
    if not 0.0 <= gate.share < 1.0:
        yield part, f"a share of {gate.share:g}", "keep it between 0 and 1"
    if gate.tolerance is not None and gate.tolerance < 0:
        yield part, f"a tolerance of {gate.tolerance:g}", "0 or more"
