"""Logged requests through the offline path again: what was served online against what training would have seen."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.registry import ModelVersion
from noria.loop.enrol import in_force
from noria.loop.source import anchored, views
from noria.loop.states import state_of
from noria.loop.world import Declared, World
from noria.stages.data.versions import snapshot
from noria.stages.features.parity import ParityReport, compare, recompute


def declared_by(world: World, loop: str, version: ModelVersion) -> Declared:
    """The declaration that a version was made by."""
    return in_force(world, replace(state_of(world.documents, loop), code=version.code))


def sources(world: World, declared: Declared) -> dict[str, DatasetVersion]:
    """The datasets behind the loop's feature views, as they are now."""
    wanted = {view.dataset.name: view.dataset for view in views(declared.loop)}
    return {
        name: snapshot(anchored(dataset, declared.folder), blobs=world.blobs, at=world.clock.now(), scratch=world.scratch)
        for name, dataset in wanted.items()
    }


def parity_of(
    world: World, declared: Declared, version: ModelVersion, logged: pl.DataFrame, taken: dict[str, DatasetVersion]
) -> ParityReport:
    """How far these logged requests' features are what the offline path makes of them.

    Args:
        declared: What the version was made by, see `declared_by`.
        taken: See `sources`.
    """
    again = recompute(logged, list(declared.loop.features), taken, blobs=world.blobs, inputs=version.candidate.signature.inputs)
    return compare(logged, again)
