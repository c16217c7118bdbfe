"""What a version was made from, by name: told when it is registered, while its declaration is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Columns
from noria.core.declaration.loop import Loop
from noria.core.lineage import Ingredients
from noria.core.registry import ModelVersion
from noria.loop.source import anchored, datasets, views
from noria.loop.world import Declared
from noria.ports.tables import DTYPES
from noria.stages.features.views import value_columns

ON_DEMAND = "on demand"


def ingredients_of(version: ModelVersion, declared: Declared, taken: Mapping[str, DatasetVersion]) -> Ingredients:
    """Name what a version was made from.

    Args:
        taken: The dataset versions of its turn, by dataset.
    """
    loop = declared.loop
    origin = _origins(loop, taken)
    return Ingredients(
        model=version.model,
        number=version.number,
        turn=version.turn,
        datasets={name: one.digest for name, one in taken.items()},
        sources={name: _place(anchored(one, declared.folder).source) for name, one in datasets(loop).items()},
        views={view.name: view.dataset.name for view in views(loop)},
        features={field.name: origin.get(field.name, ON_DEMAND) for field in version.candidate.signature.features},
    )


def _origins(loop: Loop, taken: Mapping[str, DatasetVersion]) -> dict[str, str]:
    found: dict[str, str] = {}
    for feature in loop.features:
        if isinstance(feature, Columns):
            found |= dict.fromkeys(feature.names, f"dataset {feature.dataset.name}")
    for view in views(loop):
        version = taken.get(view.dataset.name)
        if version is None:
            continue
        empty = pl.LazyFrame(schema={field.name: DTYPES[field.kind] for field in version.schema})
        try:
            made = view.transform(empty).lazy().collect()
        except Exception:  # noqa: BLE001 - the user's own code, which fails on record where its rows are computed
            continue
        found |= dict.fromkeys(value_columns(view, version, made), f"view {view.name}")
    return found


def _place(source: object) -> str:
    return str(source) if isinstance(source, (str, Path)) else f"a {type(source).__name__} in memory"
