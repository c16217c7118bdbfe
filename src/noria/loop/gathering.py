"""The data of a turn: newest versions of its datasets, with the rows that traffic brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Dataset
from noria.core.registry import ModelVersion
from noria.core.traffic import Role
from noria.loop.source import anchored, datasets
from noria.loop.world import Declared, World
from noria.stages.data.expectations import check, describe
from noria.stages.data.harvest import harvest
from noria.stages.data.versions import snapshot
from noria.stages.registry import aliases, versions
from noria.stages.serving import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken.

    Attributes:
        harvested: Rows that came back from traffic with their outcomes.
        missed: What was expected and not found, in words; "" when all is well.
    """

    versions: Mapping[str, DatasetVersion]
    harvested: int
    missed: str


def gather(world: World, declared: Declared, now: datetime) -> Taken:
    """Take a version of every dataset of the loop, the label's with its traffic, and check expectations."""
    taken: dict[str, DatasetVersion] = {}
    missed: list[str] = []
    harvested = 0
    base = declared.loop.label.columns.dataset
    for name, dataset in datasets(declared.loop).items():
        traffic = _traffic(world, declared, now) if name == base.name else None
        version = _version(world, declared, dataset, now, traffic)
        taken[name] = version
        harvested += sum(part.rows for part in version.parts if part.origin == "traffic")
        report = check(version, dataset.expect, blobs=world.blobs, at=now)
        if not report.passed:
            missed.append(describe(report))
    return Taken(versions=taken, harvested=harvested, missed="\n".join(missed))


def _version(world: World, declared: Declared, dataset: Dataset, now: datetime, traffic: pl.DataFrame | None) -> DatasetVersion:
    known = world.documents.find(DatasetVersion, where={"name": dataset.name})
    previous = max(known, key=lambda version: version.created_at, default=None)
    return snapshot(
        anchored(dataset, declared.folder), blobs=world.blobs, at=now, previous=previous, traffic=traffic, scratch=world.scratch
    )


def _traffic(world: World, declared: Declared, now: datetime) -> pl.DataFrame | None:
    """Answered requests whose outcome is known, as rows of the label's dataset."""
    loop = declared.loop
    champion = _any_version(world, loop.name)
    if champion is None:
        return None
    since = None if loop.retrain.window is None else now - loop.retrain.window - loop.label.delay
    rows = log.predictions(world.log_folder, loop.name, since=since, until=now, roles=(Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK))
    told = log.outcomes(world.log_folder, loop.name, since=since, until=now)
    if rows.is_empty() or told.is_empty():
        return None
    signature = champion.candidate.signature
    return harvest(rows, told, fields=signature.inputs, label=loop.label.column, task=signature.task, classes=signature.classes)


def _any_version(world: World, model: str) -> ModelVersion | None:
    number = aliases.current(world.records, model, "champion")
    return None if number is None else versions.get(world.records, model, number)
