"""What can be wrong with the metrics that a loop names, and with what its answers cost."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from noria.core.declaration.loop import Loop
from noria.core.declaration.rollout import compared
from noria.core.schema import Task
from noria.loop.guards import is_metric
from noria.loop.mistakes import Mistake, nearest
from noria.stages.evaluation.metrics import metric, names_for, offers
from noria.stages.evaluation.sequential_marks import can_be_guarded

UNLOGGED = frozenset({"baseline", "scale", "rms_scale"})
"""What a metric may need and the prediction log does not hold."""


def mistakes_of_metrics(loop: Loop, tasks: Sequence[Task], produced: Collection[str]) -> Iterator[Mistake]:
    """Every mistake in the metrics of gates, rollout, watches and `tune=`, in columns of slices, and in `costs=`.

    Args:
        tasks: What the loop's task may be.
        produced: Names of its features.
    """
    known = {name for task in tasks for name in names_for(task)}
    for part, name in _metrics_named(loop):
        if name not in known and not any(offers(name, task) for task in tasks):
            near = difflib.get_close_matches(name, known, 1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
            yield part, f"{name!r} is no metric of a {' or '.join(tasks)} task", mend
    for watch in loop.watch:
        if watch.metric and all(offers(watch.metric, task) and metric(watch.metric, task).needs & UNLOGGED for task in tasks):
            yield f"watch {watch.check}", f"{watch.metric!r} needs a plain forecast, which is not logged", "watch mae, wape or smape"
    for name in compared(loop.rollout):
        if any(offers(name, task) for task in tasks) and not any(can_be_guarded(name, task) for task in tasks):
            yield "rollout", f"{name!r} has no sequential test", "compare by a smooth metric, such as roc_auc or mae"
    base = {*loop.label.columns.dataset[()].names, *produced}
    for gate in loop.gates:
        if gate.check == "no-slice-worse" and gate.column not in base:
            yield f"gate {gate}", f"slice column {gate.column!r} does not exist", nearest(gate.column, produced)
    yield from _of_costs(loop, tasks)


def _metrics_named(loop: Loop) -> Iterator[tuple[str, str]]:
    """The part of the declaration, and the metric that it names."""
    for gate in loop.gates:
        if gate.metric:
            yield f"gate {gate}", gate.metric
        if gate.check in ("at-least", "at-most"):
            yield from ((f"gate {gate}", name) for name in gate.limits)
    for guard in compared(loop.rollout):
        if is_metric(guard):
            yield "rollout", guard
    for watch in loop.watch:
        if watch.metric:
            yield f"watch {watch.check}", watch.metric
    if loop.tune and loop.tune.metric:
        yield "tune", loop.tune.metric


def _of_costs(loop: Loop, tasks: Sequence[Task]) -> Iterator[Mistake]:
    if loop.costs is None and any(name == "expected_cost" for _, name in _metrics_named(loop)):
        yield "costs", "expected_cost is asked for and no costs are stated", "add `costs=nr.Costs(false_positive=…, false_negative=…)`"
    if loop.costs is not None and Task.BINARY not in tasks:
        yield "costs", f"they are of yes and no, and the task is {' or '.join(tasks)}", "leave them out"
