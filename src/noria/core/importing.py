"""What another tracking server holds, as plain values: what is read there and written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from noria.core.tracking import TrackedInput

UNNAMED = "unnamed"
"""What stands for a field of a dataset that MLflow's server took empty: here none may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignExperiment:
    """An experiment there; `id` is theirs."""

    id: str
    name: str
    deleted: bool
    created_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRun:
    """A run there.

    Attributes:
        metrics: Names of those that have points.
        files: URI under which its files lie there.
    """

    id: str
    name: str
    person: str
    status: str
    deleted: bool
    start_ms: int
    end_ms: int | None
    files: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[str]
    inputs: Sequence[TrackedInput] = ()
    made: Sequence[tuple[str, int]] = ()

    @property
    def mark(self) -> str:
        """What changes when the run does: one that has ended and bears the mark that was noted need not be read again."""
        return f"{self.status} {self.end_ms} {self.deleted} {len(self.params)} {len(self.tags)} {len(self.metrics)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLoggedModel:
    """A logged model there."""

    id: str
    name: str
    type: str
    run: str
    status: str
    created_ms: int
    files: str
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignVersion:
    """A version of a registered model there."""

    number: int
    description: str
    person: str
    stage: str
    source: str
    run: str
    model_id: str
    run_link: str
    created_ms: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """A registered model (or prompt) there, with all its versions, oldest first."""

    name: str
    description: str
    created_ms: int
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    versions: Sequence[ForeignVersion]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFile:
    """A file there: its path below the folder that was asked for."""

    path: str
    size_bytes: int
