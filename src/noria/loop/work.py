"""What happens inside a workshop: the four stations that run user code, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.declaration.rollout import compared as compared_metrics
from noria.core.declaration.training import Split
from noria.core.judging import Scorecard
from noria.core.schema import Kind, Signature, Task
from noria.core.training import Candidate, FeatureSet, Param, Recipe, Trial
from noria.core.watching import DriftReference
from noria.loop.source import load as load_loops
from noria.loop.source import named
from noria.loop.workshop import Bench, Order
from noria.packaging import package
from noria.packaging.encoding import encode
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.stages.evaluation import metrics, paired, scorecards
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.latency import measure
from noria.stages.features import assemble
from noria.stages.monitoring import reference
from noria.stages.monitoring.estimated import calibrate
from noria.stages.monitoring.trust import MOST_ROWS
from noria.stages.training import fit, provenance, snapshot, splits
from noria.stages.tuning import search

LATENCY_ROWS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The scorecard, and the digest of the drift reference."""

    scorecard: Scorecard
    reference: str


def work(folder: Path, *, blobs: Blobs, scratch: Path) -> None:
    """Do every step of the order in `folder` that has no result yet.

    Raises:
        NoriaError: a step failed; its reason is on the bench.
    """
    bench = Bench(folder)
    order = bench.result("order", Order)
    assert order is not None
    loop = bench_loop(bench, order, blobs, scratch)
    features = bench.do("features", FeatureSet, lambda: assembled(loop, order, blobs, scratch))
    frame = assemble.load(features, blobs=blobs)
    recipe = bench.do("tuning", Recipe, lambda: tuned(loop, features, frame, bench))
    candidate = bench.do("training", Candidate, lambda: trained(loop, order, features, frame, recipe, blobs, scratch))
    bench.do("evaluation", Evaluated, lambda: evaluated(loop, order, features, frame, candidate, blobs))


def bench_loop(bench: Bench, order: Order, blobs: Blobs, scratch: Path) -> Loop:
    """The loop as its code snapshot declares it."""
    found: list[Loop] = []

    def restored() -> bool:
        file = snapshot.restore_code(order.code, scratch / "code" / order.code.removeprefix("sha256:")[:16], blobs=blobs)
        found.append(named(load_loops(file), order.loop))
        return True

    if bench.result("code", bool):
        restored()
    else:
        bench.do("code", bool, restored)
    return found[0]


def assembled(loop: Loop, order: Order, blobs: Blobs, scratch: Path) -> FeatureSet:
    """The point-in-time-correct table of this turn."""
    return assemble.assemble(
        list(loop.features),
        loop.label,
        order.datasets,
        blobs=blobs,
        code=order.code,
        now=order.now,
        window=loop.retrain.window,
        test=loop.test,
        task=Task(loop.label.task) if loop.label.task else None,
        scratch=scratch,
    )


def tuned(loop: Loop, features: FeatureSet, frame: pl.DataFrame, bench: Bench) -> Recipe:
    """The best parameters, by trials in processes of their own."""
    if loop.tune is None:
        return search.fixed(dict(loop.params))
    metric = metrics.metric(tuning_metric(loop, features.task), features.task)
    split = splits.for_tuning(features, frame)
    total, tried = loop.tune.trials, list[Trial]()

    def objective(params: dict[str, Param]) -> float:
        model = fit.fit(loop.train, split, {**loop.params, **params}, seed=loop.seed)
        return metric.value(split.y_valid, native_score(model, split, features.task))

    def progress(trial: Trial) -> None:
        tried.append(trial)
        best = [t.value for t in tried if t.value is not None]
        top = (max if metric.higher_is_better else min)(best) if best else float("nan")
        bench.say("tuning", f"trial {len(tried)} of {total}, best {metric.name} {top:.4f}")

    return search.search(
        loop.tune, objective, metric=metric.name, higher_is_better=metric.higher_is_better, seed=loop.seed, progress=progress
    )


def trained(loop: Loop, order: Order, features: FeatureSet, frame: pl.DataFrame, recipe: Recipe, blobs: Blobs, scratch: Path) -> Candidate:
    """The candidate: fitted on every row before the judging ones, packaged, its serving form checked."""
    made_with = provenance.capture(order.code, Path(order.file).parent, blobs=blobs, seed=loop.seed)
    split = splits.for_training(features, frame)
    model = fit.fit(loop.train, split, {**loop.params, **recipe.params}, seed=loop.seed)
    base = loop.label.columns.dataset
    signature = Signature(
        inputs=features.inputs,
        features=features.features,
        task=features.task,
        classes=features.classes,
        key=base.key,
        time=base.time,
    )
    sample, _, _ = splits.holdout(features, frame)
    packed = package.save(model, signature, sample[:2_000], blobs=blobs, scratch=scratch)
    return Candidate(
        artifact=packed.artifact,
        made_from=(features.digest, order.code, made_with.environment),
        signature=signature,
        recipe=recipe,
        provenance=made_with,
        format=packed.format,
        serving_form=packed.serving_form,
        size_bytes=packed.size_bytes,
        parity_max_diff=packed.parity_max_diff,
        run=f"run_{order.turn.removeprefix('turn_')}",
    )


def evaluated(loop: Loop, order: Order, features: FeatureSet, frame: pl.DataFrame, candidate: Candidate, blobs: Blobs) -> Evaluated:
    """The scorecard on the newest rows, and the reference that monitors will compare traffic with."""
    X, y, judged = splits.holdout(features, frame)
    scorer = package.load(candidate.artifact, blobs=blobs)
    score = scorer.score(X)
    metric = tuning_metric(loop, features.task)
    by_slice = [gate for gate in loop.gates if gate.check == "no-slice-worse"]
    champion_score = None
    if order.champion is not None:
        champion_score = _champion_score(order, judged, features, blobs)
    card = scorecards.scorecard(
        task=features.task,
        y=y,
        score=score,
        times=judged["__time"].to_numpy().astype("datetime64[ms]"),
        frame=judged,
        made_from=(candidate.artifact, features.digest),
        champion=f"{loop.name}@{order.champion.number}" if order.champion else "",
        champion_score=champion_score,
        slices=tuple(dict.fromkeys(gate.column for gate in by_slice)),
        slice_metrics=tuple(dict.fromkeys(gate.metric or metric for gate in by_slice)),
        min_slice_rows=min((gate.min_rows for gate in by_slice), default=200),
        metric=metric,
        seed=loop.seed,
        latency=measure(scorer.score, X[: 2 * LATENCY_ROWS], calls=LATENCY_ROWS),
        size_bytes=candidate.size_bytes,
    )
    if champion_score is not None:
        card = replace(card, design_effect=_design_effects(loop, y, score, champion_score, card))
    compared = _reference(loop, features, frame, candidate, score, y, judged, card, blobs)
    return Evaluated(scorecard=card, reference=blobs.put(wire.dump(compared)))


def native_score(model: object, split: Split, task: Task) -> np.ndarray:
    """Answers of a fitted, not yet packaged model on the validation rows."""
    if task is Task.REGRESSION:
        return np.asarray(model.predict(split.X_valid))  # type: ignore[attr-defined]
    if hasattr(model, "predict_proba"):
        chances = np.asarray(model.predict_proba(split.X_valid))
        return chances[:, 1] if task is Task.BINARY else chances
    return np.asarray(model.predict(split.X_valid))  # type: ignore[attr-defined]


def tuning_metric(loop: Loop, task: Task) -> str:
    """The metric that matters most to this loop: the tuner's, else the first one that a gate names."""
    if loop.tune is not None and loop.tune.metric:
        return loop.tune.metric
    named_by_gates = [
        name for gate in loop.gates for name in ([gate.metric] if gate.metric else []) + list(_limits(gate.check, gate.limits))
    ]
    return next(iter(named_by_gates), metrics.main_metric(task))


def _limits(check: str, limits: object) -> Sequence[str]:
    return list(limits) if check in ("at-least", "at-most") else []  # type: ignore[call-overload]


def _champion_score(order: Order, judged: pl.DataFrame, features: FeatureSet, blobs: Blobs) -> np.ndarray | None:
    assert order.champion is not None
    signature = order.champion.candidate.signature
    if signature.task is not features.task or signature.classes != features.classes:
        return None
    if not {field.name for field in signature.features} <= set(judged.columns):
        return None
    return package.load(order.champion.candidate.artifact, blobs=blobs).score(encode(judged, signature.features))


def _reference(
    loop: Loop,
    features: FeatureSet,
    frame: pl.DataFrame,
    candidate: Candidate,
    score: np.ndarray,
    y: np.ndarray,
    judged: pl.DataFrame,
    card: Scorecard,
    blobs: Blobs,
) -> DriftReference:
    watched = [watch.metric for watch in loop.watch if watch.check == "quality"]
    days = (judged["__time"].dt.epoch("d")).to_numpy()
    chunk_sd = {name: _chunk_sd(name, y, score, days, features.task) for name in watched}
    compared = reference.build(
        frame,
        features.features,
        importance=package.importance(candidate.artifact, blobs=blobs),
        scores=score if score.ndim == 1 else score.max(axis=1),
        score_times=judged["__time"].to_numpy().astype("datetime64[ms]"),
        quality={name: card.metrics[name].value for name in watched if name in card.metrics},
        quality_chunk_sd=chunk_sd,
        chunk=min((watch.every for watch in loop.watch if watch.check == "drift"), default=timedelta(days=1)),
    )
    if features.task is not Task.BINARY or not watched:
        return compared
    return replace(compared, calibration=calibrate(y, score), sample=_sample(judged, features, loop.seed, blobs))


def _sample(judged: pl.DataFrame, features: FeatureSet, seed: int, blobs: Blobs) -> str:
    """Some rows that judged, kept to tell how far new ones are from them; a clock always moves on, so times are left out."""
    rows = judged.select(feature.name for feature in features.features if feature.kind is not Kind.TIME)
    file = BytesIO()
    rows.sample(min(rows.height, MOST_ROWS), seed=seed).write_parquet(file)
    return blobs.put(file.getvalue())


def _design_effects(loop: Loop, y: np.ndarray, score: np.ndarray, champion_score: np.ndarray, card: Scorecard) -> dict[str, float]:
    """For each guarded metric: the clustered variance of the difference over the one of independent rows."""
    effects = {}
    for name in compared_metrics(loop.rollout):
        if name in card.versus_champion:
            independent = paired.compare(name, y, score, champion_score, task=card.task)
            ratio = (card.versus_champion[name].se / independent.se) ** 2 if independent.se > 0 else 1.0
            effects[name] = max(1.0, ratio) if ratio == ratio else 1.0
    return effects


def _chunk_sd(metric: str, y: np.ndarray, score: np.ndarray, days: np.ndarray, task: Task) -> float:
    values = [estimate(metric, y[days == day], score[days == day], task=task).value for day in np.unique(days)]
    known = [value for value in values if value == value]
    return float(np.std(known, ddof=1)) if len(known) > 2 else float("nan")
