"""What an examination holds of a candidate's conduct: where it is weak, how it treats groups, how it bears strain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.declaration.conduct import BehaviourGate, RobustGate
from noria.core.declaration.inspection import Fairness
from noria.core.errors import DataInvalid
from noria.core.examination.fairness import FairnessReport
from noria.core.examination.slices import SliceSearch
from noria.core.examination.stress import Behaviour, Stress
from noria.core.schema import Field
from noria.loop.answering import answering, answering_cases, inputs_of_cases, recomputed
from noria.loop.families import with_beside
from noria.loop.materials import Materials
from noria.packaging import package
from noria.stages.evaluation import fairness
from noria.stages.evaluation.behaviour import behaviour
from noria.stages.evaluation.cases import expected
from noria.stages.evaluation.group_rates import Answers
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.evaluation.slice_search import losses_of, search
from noria.stages.evaluation.stress import ROWS, Wanted, stressed
from noria.stages.monitoring.stability import debiased_psi


def slices_of(on: Materials) -> SliceSearch | None:
    """Slices that are shown to be weak, by the features and the columns that groups are made of; None for tasks without losses by row."""
    losses = losses_of(on.task, on.y, on.score)
    if losses is None:
        return None
    rows = with_beside(on.frame, on.features, on.blobs)
    fields = [field.name for field in _ordered(on)]
    columns = [*fields, *(name for name in rows.columns if name not in on.frame.columns)]
    return search(
        rows.tail(on.judged.height),
        columns,
        losses[1],
        loss=losses[0],
        reference=rows.head(rows.height - on.judged.height),
        clusters=time_blocks(on.times),
    )


def fairness_of(on: Materials) -> FairnessReport | None:
    """How the declared groups are treated; None where the loop declares none."""
    declared = on.loop.fairness
    if declared is None:
        return None
    rows = with_beside(on.frame, on.features, on.blobs)
    favourable, threshold, answers = _answers(declared, on)
    return fairness.examine(
        rows.tail(on.judged.height),
        declared.columns,
        answers,
        reference=rows.head(rows.height - on.judged.height),
        clusters=time_blocks(on.times),
        apart=_apart,
        favourable=favourable,
        threshold=threshold,
        intersections=declared.intersections,
        min_rows=declared.min_rows,
        seed=on.loop.seed,
    )


def stress_of(on: Materials) -> Stress:
    """How far the candidate falls under strain, and the tests of behaviour that the gates ask for."""
    picked = np.sort(np.random.default_rng(on.loop.seed).permutation(on.judged.height)[:ROWS])
    rows, clusters = on.judged[picked], time_blocks(on.times[picked])
    fields, computed = _ordered(on), recomputed(on)
    robust = [gate for gate in on.loop.gates if isinstance(gate, RobustGate)]
    base, strains = stressed(
        rows,
        on.y[picked],
        answering(on, rows),
        fields=[field for field in fields if field.name not in computed],
        reference=on.frame.head(on.frame.height - on.judged.height),
        task=on.task,
        metrics=tuple(dict.fromkeys([on.metric, *(gate.metric for gate in robust if gate.metric)])),
        clusters=clusters,
        wanted=[Wanted(to=gate.to, severity=gate.severity, feature=gate.column) for gate in robust],
        seed=on.loop.seed,
        given=on.given.at(picked),
    )
    tests = [gate for gate in on.loop.gates if isinstance(gate, BehaviourGate)]
    return Stress(
        metric=on.metric,
        base=base,
        rows=rows.height,
        strains=strains,
        behaviours=tuple(_tried(gate, on, rows, fields, clusters) for gate in tests),
    )


def _tried(gate: BehaviourGate, on: Materials, rows: pl.DataFrame, fields: list[Field], clusters: np.ndarray | None) -> Behaviour:
    classes = on.features.classes
    if gate.test == "expected":
        folder, threshold = Path(on.order.file).parent, on.candidate.signature.threshold
        tried = expected(
            gate, answering_cases(on), fields=fields, inputs=inputs_of_cases(on), classes=classes, folder=folder, threshold=threshold
        )
        return replace(tried, cases=on.blobs.put(folder / gate.cases)) if isinstance(gate.cases, str) else tried
    return behaviour(gate, rows, answering(on, rows), fields=fields, classes=classes, task=on.task, clusters=clusters)


def _ordered(on: Materials) -> list[Field]:
    """The features, the most important first: the order may cost the last ones their turn, and must not look at outcomes."""
    weight = package.importance(on.candidate.artifact, blobs=on.blobs)
    return sorted(on.scorer.signature.features, key=lambda field: -weight.get(field.name, 0.0))


def _answers(declared: Fairness, on: Materials) -> tuple[str, float, Answers]:
    """The class that is good to get, the probability from which it is answered, and who was to get it and who did."""
    if on.task.numeric:
        return "", float("nan"), Answers(y=on.y.astype(np.float64), score=on.score.astype(np.float64), said=np.empty(0))
    classes = on.features.classes
    favourable = declared.favourable or (classes[1] if len(classes) == 2 else "")
    if favourable not in classes:
        raise DataInvalid(f"the favourable class {favourable!r} is none of {', '.join(classes)}", fix="name it: nr.Fairness(favourable=…)")
    place = classes.index(favourable)
    score = np.asarray(on.score[:, place] if on.score.ndim == 2 else on.score if place == 1 else 1.0 - on.score, dtype=np.float64)
    threshold, said = _selected(declared, on, place, score)
    return favourable, threshold, Answers(y=(on.y == place).astype(np.float64), score=score, said=said.astype(np.float64))


def _selected(declared: Fairness, on: Materials, place: int, score: Array) -> tuple[float, NDArray[np.bool_]]:
    """Who is answered with the favourable class: by the declared threshold, else as the version answers."""
    if declared.threshold is not None:
        return declared.threshold, score >= declared.threshold
    if on.score.ndim == 2:
        return float("nan"), on.score.argmax(axis=1) == place
    own = on.candidate.signature.threshold
    return (own, on.score >= own) if place == 1 else (1.0 - own, on.score < own)


def _apart(one: Array, other: Array) -> float:
    return float(debiased_psi(one, other))
