"""Values of lineage: what came from what, from tables of other systems to single answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What stands in a lineage, from above to below."""

    JOB = "job"
    """A job of another system, which told of itself by OpenLineage."""
    TABLE = "table"
    """What such a job read or wrote, and where a dataset is read from."""
    DATASET = "dataset"
    DATA = "data"
    """One version of a dataset, by its digest."""
    VIEW = "view"
    FEATURE = "feature"
    RUN = "run"
    VERSION = "version"
    DEPLOYMENT = "deployment"
    PREDICTION = "prediction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing.

    Attributes:
        name: Unique among its kind: "late-arrival@3", a digest, "late-arrival/conditions" for a view or feature of a loop.
        note: What a person should know: rows, a state, when.
        at: Event time of its making, where it has one.
        link: Address of its page; "" = none but its lineage.
    """

    kind: Kind
    name: str
    note: str = ""
    at: datetime | None = None
    link: str = ""

    @property
    def id(self) -> str:
        """Its kind and its name."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """That one thing went into another; both by id."""

    above: str
    below: str
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What some things came from, and what came of them.

    Attributes:
        of: Ids of the things that were asked about.
        left_out: Things that were not followed: there are more than fit.
    """

    of: tuple[str, ...]
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What a version was made from, by name; written down when it is registered.

    Attributes:
        datasets: Dataset to the digest of the version that was taken.
        sources: Dataset to where it is read from, as the loop file says, made absolute.
        views: Feature view to its dataset.
        features: Feature of the matrix to what gives it: "view conditions", "dataset flights", "on demand"; "" = unknown.
    """

    model: str
    number: int
    turn: str
    datasets: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A dataset as OpenLineage names it.

    Attributes:
        aliases: Namespace and name of what else it is called (the facet `symlinks`).
        version: Its newest version that was told.
    """

    namespace: str
    name: str
    seen_at: datetime
    version: str = ""
    aliases: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """Namespace and name in one."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamJob:
    """A job of another system, as its newest events tell.

    Attributes:
        kind: What it says it is, such as "SPARK JOB"; "" = nothing.
        state: The newest event type, such as "COMPLETE".
        inputs, outputs: Tables by when they were last seen, the newest first.
        by: Who sent its events.
    """

    namespace: str
    name: str
    run: str
    state: str
    seen_at: datetime
    kind: str = ""
    producer: str = ""
    inputs: tuple[Table, ...] = ()
    outputs: tuple[Table, ...] = ()
    by: str = ""

    @property
    def id(self) -> str:
        """Namespace and name in one."""
        return f"{self.namespace}/{self.name}"
