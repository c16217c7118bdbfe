"""Makes a version again: the order that its workshop had, with what need not be done anew laid on the bench already.

The work is the workshop's own, in a home of its own: the loop's turns, versions, aliases and blobs stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.loop import Loop
from noria.core.errors import NotAllowed, NotFound
from noria.core.examination.leakage import LeakageReport
from noria.core.registry import ModelVersion
from noria.core.reproducing import Again, Comparison
from noria.core.traffic import Family
from noria.core.training import Candidate, FeatureSet, Members
from noria.core.turning import Turn
from noria.loop.evaluating import Evaluated
from noria.loop.materials import Materials, gathered
from noria.loop.work import bench_loop
from noria.loop.workshop import Bench, Order
from noria.loop.world import World
from noria.packaging import package
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.stages.evaluation import metrics
from noria.stages.features import assemble
from noria.stages.registry import versions
from noria.stages.registry.reading import every

DATASETS = "dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What it takes to make a version again.

    Attributes:
        order: As its workshop was told, without a champion: nobody judges here.
        features: Its training table as the turn's journal has it; None = that is not there any more.
    """

    version: ModelVersion
    order: Order
    features: FeatureSet | None


def repeat_of(world: World, model: str, number: int) -> Repeat:
    """Read what a version was made from.

    Raises:
        NotFound: there is no such version, or a dataset version of it is not on record.
        NotAllowed: nobody here made it, so it cannot be made again.
    """
    version = versions.get(world.records, model, number)
    turn = world.documents.get(Turn, version.turn) if version.turn else None
    if not version.code or turn is None:
        raise NotAllowed(
            f"{model}@{number} was brought{f' from {version.origin}' if version.origin else ''}, not trained here",
            fix="versions that a loop made can be made again",
        )
    order = Order(
        turn=version.turn,
        loop=model,
        file=str(world.home / "loop.py"),
        code=version.code,
        now=turn.created_at,
        datasets=taken(world, version),
    )
    return Repeat(version=version, order=order, features=_features(world, version))


def lay_out(bench: Bench, repeat: Repeat, *, search: bool) -> None:
    """Lay the order on the bench, with results for the steps that are not to be done: leaks, marks and, unless asked for, the search."""
    version = repeat.version
    bench.keep("order", repeat.order)
    bench.keep("leakage", LeakageReport(rows=0, features=0, checked=()))
    bench.keep("evaluation", Evaluated(scorecard=version.scorecard, reference=version.reference))
    bench.keep("repeat", repeat)
    if not search:
        bench.keep("tuning", version.candidate.recipe)


def needed(repeat: Repeat, blobs: Blobs) -> Iterable[str]:
    """Digests of all that the work and the comparison read."""
    version = repeat.version
    yield version.code
    for dataset in repeat.order.datasets.values():
        yield from (part.digest for part in dataset.parts)
    yield from package.files(version.candidate.artifact, blobs=blobs)
    if version.family:
        yield version.family
        for artifact in wire.load(blobs.read(version.family), Family).members.values():
            yield from package.files(artifact, blobs=blobs)
    if repeat.features is not None:
        yield from (digest for digest in (repeat.features.digest, repeat.features.groups) if digest and blobs.has(digest))


def compare(bench: Bench, blobs: Blobs, scratch: Path) -> Comparison:
    """Ask both models about the rows that judge, and hold answers, files and marks against each other.

    Args:
        scratch: The folder that the work unpacked its code into.
    """
    repeat, remade = bench.result("repeat", Repeat), bench.result("training", Candidate)
    table, members = bench.result("features", FeatureSet), bench.result("family", Members)
    assert repeat is not None and remade is not None and table is not None
    loop = bench_loop(bench, repeat.order, blobs, scratch)
    if repeat.features is not None and blobs.has(repeat.features.digest):
        table = repeat.features
    frame = assemble.load(table, blobs=blobs)
    before = _asked(loop, repeat, table, frame, repeat.version.candidate, repeat.version.family, blobs, bench)
    after = _asked(loop, repeat, table, frame, remade, members.family if members else "", blobs, bench)
    far = np.abs(np.asarray(after.score, dtype=np.float64) - np.asarray(before.score, dtype=np.float64))
    return Comparison(
        files=_files(repeat.version, remade, members, blobs),
        rows=len(after.y),
        max_difference=float(np.nanmax(far)) if far.size else 0.0,
        mean_difference=float(np.nanmean(far)) if far.size else 0.0,
        marks=_marks(repeat.version, after),
    )


def _asked(
    loop: Loop,
    repeat: Repeat,
    table: FeatureSet,
    frame: pl.DataFrame,
    candidate: Candidate,
    family: str,
    blobs: Blobs,
    bench: Bench,
) -> Materials:
    members = Members(family=family, by=loop.family.by, partitions=0, tried=0, kept=0) if family and loop.family else None
    return gathered(loop, repeat.order, table, frame, candidate, blobs, bench, members)


def _files(version: ModelVersion, remade: Candidate, members: Members | None, blobs: Blobs) -> dict[str, bool]:
    old, new = (package.manifest(artifact, blobs=blobs).files for artifact in (version.candidate.artifact, remade.artifact))
    found = {name: old.get(name) == new.get(name) for name in sorted({*old, *new})}
    return found | ({"family": version.family == members.family} if members is not None else {})


def _marks(version: ModelVersion, after: Materials) -> dict[str, Again]:
    found = {}
    for name, mark in version.scorecard.metrics.items():
        if metrics.offers(name, after.task):
            value = metrics.metric(name, after.task).value(after.y, after.score, after.given)
            found[name] = Again(before=mark.value, after=float(value))
    return found


def taken(world: World, version: ModelVersion) -> dict[str, DatasetVersion]:
    """The dataset versions that a version was made from, by name, in its turn's order.

    Raises:
        NotFound: one is not on record.
    """
    wanted = dict.fromkeys(version.datasets)
    found = [
        wire.load(record.body, DatasetVersion) for record in every(world.records, DATASETS, {}) if record.key.partition("/")[2] in wanted
    ]
    missing = [digest for digest in wanted if digest not in {one.digest for one in found}]
    if missing:
        raise NotFound(f"dataset version {missing[0]} of {version.model}@{version.number} is not on record", fix="restore it from a backup")
    order = list(wanted)
    return {one.name: one for one in sorted(found, key=lambda one: order.index(one.digest))}


def _features(world: World, version: ModelVersion) -> FeatureSet | None:
    step = next((step for step in world.engine.steps(version.turn) if step.name == "features" and step.result), None)
    found = wire.load(step.result, FeatureSet) if step is not None else None
    return found if found is not None and found.digest == version.feature_set else None
