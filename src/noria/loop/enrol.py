"""Brings the loops of a file under Noria's care, and finds the declaration that is in force for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from noria.core.costs import Costs
from noria.core.declaration import rollout
from noria.core.declaration.alerts import Alerts
from noria.core.declaration.dataset import Columns, Label
from noria.core.declaration.features import FeatureView, OnDemand
from noria.core.declaration.loop import Loop, Retrain
from noria.core.errors import Conflict, NotAllowed
from noria.core.ids import new_id
from noria.core.moments import spoken, to_ms
from noria.core.registry import Deployment
from noria.core.schema import Task
from noria.core.state import LoopState
from noria.core.turning import Cause, Signal
from noria.loop.declaration import check
from noria.loop.source import load, named
from noria.loop.states import amend, open_turns
from noria.loop.world import Declared, World
from noria.stages.registry import aliases
from noria.stages.training.snapshot import restore_code, snapshot_code


def enrol(world: World, file: Path) -> list[LoopState]:
    """Check a loop file and put its loops in force; a loop without a champion gets the signal to be born.

    Raises:
        DeclarationInvalid: with every mistake; nothing has changed then.
        NotAllowed: a loop has the name of a deployment without one.
    """
    loops = check(file)
    for loop in loops:
        if world.documents.get(Deployment, loop.name) is not None:
            raise NotAllowed(f"{loop.name!r} is the name of a deployment without a loop", fix="give the loop another name")
    code = snapshot_code(file.resolve(), blobs=world.blobs)
    return [_enrolled(world, loop, file.resolve(), code) for loop in loops]


def in_force(world: World, state: LoopState) -> Declared:
    """The declaration in force for a loop, from its code snapshot."""
    place = world.home / "code" / state.code.removeprefix("sha256:")[:16]
    file = restore_code(state.code, place, blobs=world.blobs)
    return Declared(loop=named(load(file), state.name), code=state.code, file=Path(state.file))


def _enrolled(world: World, loop: Loop, file: Path, code: str) -> LoopState:
    now = world.clock.now()
    task = Task(loop.label.task) if loop.label.task else None
    fresh = LoopState(
        name=loop.name,
        description=loop.description,
        file=str(file),
        code=code,
        task=task,
        phase="newborn",
        declared=in_words(loop),
        quality_metric=next((watch.metric for watch in loop.watch if watch.metric), ""),
        isolated=loop.isolated,
        explain=loop.explain,
        next_action="is born: its first turn begins",
    )
    state = _declare(world, fresh)
    if _unborn(world, loop.name):
        birth = Signal(
            id=new_id("signal", to_ms(now)),
            loop=loop.name,
            cause=Cause.BIRTH,
            reason="it has no champion yet",
            at=now,
            events=(f"declared:{loop.name}:{code}",),
        )
        world.documents.put_signal(birth, "new")
    return state


def _declare(world: World, fresh: LoopState) -> LoopState:
    """Put the declaration in force, on the record; one that is in force already is left as it is."""
    known = world.documents.get(LoopState, fresh.name)
    if known is not None and known.code == fresh.code and known.file == fresh.file:
        return known
    event = world.ledger.event(
        "loop.declared",
        loop=fresh.name,
        subject=fresh.name,
        by="user",
        reasons=(
            f"{Path(fresh.file).name} {'changed' if known else 'came up'}",
            *(f"{part}: {text}" for part, text in fresh.declared.items()),
        ),
        made_from=(fresh.code,),
        id=f"declared:{fresh.name}:{fresh.code}",
    )
    line = world.ledger.line(event)
    if known is None:
        try:
            world.records.commit(world.documents.write(fresh, expect=0), line)
        except Conflict:
            return _declare(world, fresh)
        return fresh
    return amend(
        world.documents,
        fresh.name,
        lambda state: replace(
            state,
            code=fresh.code,
            file=fresh.file,
            description=fresh.description,
            declared=fresh.declared,
            quality_metric=fresh.quality_metric,
            isolated=fresh.isolated,
            explain=fresh.explain,
        ),
        also=[line],
    )


def _serving_words(loop: Loop) -> str:
    apart = ["the champion answers from processes of its own"] if loop.isolated else []
    return "; ".join([*apart, *([f"{loop.explain:.3g} of the answers are kept with their reasons"] if loop.explain else [])])


def _unborn(world: World, loop: str) -> bool:
    """Whether the loop has no champion and nothing is under way to give it one."""
    if aliases.current(world.records, loop, "champion") is not None or open_turns(world.documents, loop):
        return False
    return not world.documents.find(Signal, where={"loop": loop, "state": "new"}, limit=1)


def in_words(loop: Loop) -> dict[str, str]:
    """The declaration as a person would say it, part by part."""
    retrain = loop.retrain
    return {
        "label": f"{loop.label.columns.dataset.name}.{loop.label.column}, known after {spoken(loop.label.delay)}{_task_words(loop.label)}",
        "features": "; ".join(_feature_words(loop.features)),
        "tuning": f"{loop.tune.trials} trials over {', '.join(loop.tune.space)}" if loop.tune else "fixed parameters",
        **({"costs": _cost_words(loop.costs)} if loop.costs else {}),
        "gates": "; ".join(str(gate) for gate in loop.gates) or "none",
        "rollout": f"{rollout.in_words(loop.rollout)}, guards {', '.join(loop.rollout.guard) or 'none'}",
        **({"serving": serving} if (serving := _serving_words(loop)) else {}),
        "watch": "; ".join(_watch_words(loop)) or "nothing",
        "alerts": _alert_words(loop.alerts),
        "retrain": f"cooldown {spoken(retrain.cooldown)}, at least {retrain.min_labels:,} new outcomes, "
        f"window {spoken(retrain.window) if retrain.window else 'all'}, budget {retrain.budget} per {spoken(retrain.per)}"
        f"{_probe_words(retrain)}",
        **({"backtest": _backtest_words(loop)} if loop.backtest or loop.lofo else {}),
    }


def _task_words(label: Label) -> str:
    if label.group:
        return f", ranked within {label.group}"
    season = f", held against the value {spoken(label.season)} before" if label.task == Task.FORECAST else ""
    return (f", forecast for each {label.series}" if label.series else "") + season


def _cost_words(costs: Costs) -> str:
    named = {
        "false positive": costs.false_positive,
        "false negative": costs.false_negative,
        "true positive": costs.true_positive,
        "true negative": costs.true_negative,
    }
    most = f", at most {costs.capacity:.3g} of rows" if costs.capacity < 1 else ""
    return ", ".join(f"{name} {cost:g}" for name, cost in named.items() if cost) + most


def _probe_words(retrain: Retrain) -> str:
    if not retrain.probe:
        return ""
    cost = f", or {retrain.cost:g} over the predictions of 30 days" if retrain.cost else ""
    wanted = "a gain" if retrain.min_gain is None else f"a gain of {retrain.min_gain:g}"
    asked = f", asked every {spoken(retrain.ask)}" if retrain.ask is not None else ""
    return f"; only when a probe expects {wanted}{cost}{asked}"


def _backtest_words(loop: Loop) -> str:
    wanted = loop.backtest
    every = f" of {spoken(wanted.every)}" if wanted and wanted.every else ""
    windows = [f"{wanted.windows} earlier windows{every}"] if wanted else []
    return "; ".join([*windows, *([f"trained again without each of the {loop.lofo} most important features"] if loop.lofo else [])])


def _alert_words(alerts: Alerts) -> str:
    quiet = [f"quiet {one.at} for {spoken(one.length)}{f' ({one.because})' if one.because else ''}" for one in alerts.quiet]
    return "; ".join([f"at most {alerts.pages_per_week} pages a week, the rest in a digest every {spoken(alerts.digest)}", *quiet])


def _feature_words(features: Sequence[object]) -> list[str]:
    said = []
    for feature in features:
        if isinstance(feature, Columns):
            said.append(f"{feature.dataset.name}[{', '.join(feature.names)}]")
        elif isinstance(feature, FeatureView):
            said.append(f"view {feature.name} of {feature.dataset.name} by {feature.key}")
        elif isinstance(feature, OnDemand):
            said.append(f"{feature.name}({', '.join(feature.inputs)}) on demand")
    return said


def _watch_words(loop: Loop) -> list[str]:
    said = []
    for watch in loop.watch:
        if watch.check == "quality":
            said.append(f"{watch.metric} worse by more than {watch.drop:g}")
        elif watch.check == "freshness" and watch.older_than:
            said.append(f"training data older than {spoken(watch.older_than)}")
        else:
            said.append(f"{watch.check}, {watch.k} of {watch.m} chunks of {spoken(watch.every)}")
    return said
