"""What happens inside a workshop: the four stations that run user code, one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.examination.leakage import LeakageReport
from noria.core.probing import Probe
from noria.core.schema import THRESHOLD, Signature, Task
from noria.core.training import Candidate, FeatureSet, Members, Param, Recipe, Trial
from noria.loop.deciding import chosen
from noria.loop.evaluating import Evaluated, evaluated
from noria.loop.families import raised
from noria.loop.leaks import checked
from noria.loop.materials import gathered, tuning_metric
from noria.loop.native import native_score
from noria.loop.probed import probed
from noria.loop.source import load as load_loops
from noria.loop.source import named
from noria.loop.workshop import Bench, Order
from noria.packaging import package
from noria.ports.blobs import Blobs
from noria.stages.evaluation import metrics
from noria.stages.evaluation.given import Given
from noria.stages.features import assemble
from noria.stages.training import fit, provenance, snapshot, splits
from noria.stages.tuning import search


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
    if order.probe:
        bench.do("probing", Probe, lambda: probed(loop, order, features, frame, blobs))
        return
    if bench.do("leakage", LeakageReport, lambda: checked(loop, order, features, frame, blobs)).stops:
        return
    recipe = bench.do("tuning", Recipe, lambda: tuned(loop, features, frame, bench))
    candidate = bench.do("training", Candidate, lambda: trained(loop, order, features, frame, recipe, blobs, scratch))
    members = None
    if loop.family is not None:
        members = bench.do("family", Members, lambda: raised(loop, features, frame, candidate, blobs, scratch, bench))
    bench.do("evaluation", Evaluated, lambda: evaluated(gathered(loop, order, features, frame, candidate, blobs, bench, members)))


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
        groups=tuple(dict.fromkeys([*(loop.fairness.columns if loop.fairness else ()), *loop.leakage.groups, *_partitioned(loop)])),
    )


def _partitioned(loop: Loop) -> list[str]:
    return [loop.family.by] if loop.family else []


def tuned(loop: Loop, features: FeatureSet, frame: pl.DataFrame, bench: Bench) -> Recipe:
    """The best parameters, by trials in processes of their own."""
    if loop.tune is None:
        return search.fixed(dict(loop.params))
    metric = metrics.metric(tuning_metric(loop, features.task), features.task)
    split = splits.for_tuning(features, frame)
    given = Given(groups=split.groups_valid)
    given = given if loop.costs is None else replace(given, costs=loop.costs, threshold=loop.costs.threshold)
    total, tried = loop.tune.trials, list[Trial]()

    def objective(params: dict[str, Param]) -> float:
        model = fit.fit(loop.train, split, {**loop.params, **params}, seed=loop.seed)
        return metric.value(split.y_valid, native_score(model, split, features.task), given)

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
    choice = chosen(loop, features, frame, recipe)
    base = loop.label.columns.dataset
    signature = Signature(
        inputs=features.inputs,
        features=features.features,
        task=features.task,
        classes=features.classes,
        key=base.key,
        time=base.time,
        group=features.together,
        threshold=THRESHOLD if choice is None else choice.threshold,
    )
    sample, _, _ = splits.holdout(features, frame)
    packed = package.save(model, signature, sample[:2_000], blobs=blobs, scratch=scratch)
    return packed.candidate(
        signature,
        made_from=(features.digest, order.code, made_with.environment),
        recipe=recipe,
        provenance=made_with,
        run=f"run_{order.turn.removeprefix('turn_')}",
        choice=choice,
    )
