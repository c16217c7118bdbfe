"""Feature views and on-demand transforms: the user's own Polars code, named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from noria.core.declaration.dataset import Columns, Dataset
from noria.core.moments import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """Features of an entity, computed from a dataset by one function, offline and online alike.

    Attributes:
        dataset: Where they come from.
        transform: Polars LazyFrame in, LazyFrame out; keeps the entity and time columns
            (and the known column where the dataset has one, else it is joined back by row).
        entity: Column of `dataset` that names the entity.
        key: Request column that holds the entity (`view.on("origin")`); the entity's name by default.
        ttl: Older values count as missing.
    """

    name: str
    dataset: Dataset
    transform: Callable[[Any], Any]
    entity: str
    key: str
    ttl: timedelta | None = None

    def on(self, key: str) -> FeatureView:
        """Look the entity up by another column of the request: `conditions.on("origin")`."""
        return replace(self, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemand:
    """Features computed from the request's own fields, in training and at request time alike.

    Attributes:
        transform: Polars DataFrame with the inputs in, the same with new columns out.
        inputs: Request columns that it reads.
    """

    name: str
    transform: Callable[[Any], Any]
    inputs: tuple[str, ...]


Feature = Columns | FeatureView | OnDemand


def feature_view(
    dataset: Dataset, *, entity: str, ttl: str | timedelta | None = None, name: str = ""
) -> Callable[[Callable[[Any], Any]], FeatureView]:
    """Declare the decorated function as a feature view of `dataset`."""

    def declare(transform: Callable[[Any], Any]) -> FeatureView:
        return FeatureView(
            name=name or transform.__name__,
            dataset=dataset,
            transform=transform,
            entity=entity,
            key=entity,
            ttl=None if ttl is None else duration(ttl),
        )

    return declare


def on_demand(*, inputs: Sequence[str], name: str = "") -> Callable[[Callable[[Any], Any]], OnDemand]:
    """Declare the decorated function as a request-time transform of `inputs`."""

    def declare(transform: Callable[[Any], Any]) -> OnDemand:
        return OnDemand(name=name or transform.__name__, transform=transform, inputs=tuple(inputs))

    return declare
