"""Values of experiments and their runs: what was tried, with which parameters, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class RunStatus(StrEnum):
    """How far a tracked run is."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class Stage(StrEnum):
    """Whether a thing is in use, or was deleted and can still be restored."""

    ACTIVE = "active"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A heading for runs.

    Attributes:
        id: Counts through all projects; 0 is the default project's "Default".
        artifacts: URI under which its runs' files lie.
    """

    id: int
    project: str
    name: str
    artifacts: str
    state: Stage
    created_ms: int
    updated_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """One run of somebody's code, whoever logged it.

    Attributes:
        row: Its number in the tables.
        id: 32 hexadecimal digits, or whatever its client chose.
        person: Who ran it, as the client says.
        artifacts: URI under which its files lie.
    """

    row: int
    id: str
    experiment: int
    name: str
    person: str
    status: RunStatus
    state: Stage
    start_ms: int
    end_ms: int | None
    artifacts: str


class Point(NamedTuple):
    """One value of a metric; a tuple, for there are millions.

    Attributes:
        value: May be NaN; infinities are kept as the largest finite numbers.
        at_ms: When it was measured, milliseconds since 1970.
    """

    key: str
    value: float
    step: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContents:
    """What a run's record shows: parameters, tags, and each metric's latest point."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedDataset:
    """Data that runs took in, as their clients describe it.

    Attributes:
        digest: Whatever the client says tells one content from another.
        source: Where it came from, as `source_type` writes it.
        form: Its columns, as text; "" = nothing was said.
        profile: Some statistics, as text.
    """

    name: str
    digest: str
    source_type: str
    source: str
    form: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedInput:
    """A dataset that a run took in, and what for."""

    dataset: TrackedDataset
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlow:
    """What went into a run and came out of it.

    Attributes:
        models_in: Ids of logged models.
        models_out: Ids of logged models, with the step at which each was made.
    """

    datasets: tuple[TrackedInput, ...] = ()
    models_in: tuple[str, ...] = ()
    models_out: tuple[tuple[str, int], ...] = ()


class ModelStatus(StrEnum):
    """How far a logged model is."""

    PENDING = "LOGGED_MODEL_PENDING"
    READY = "LOGGED_MODEL_READY"
    FAILED = "LOGGED_MODEL_UPLOAD_FAILED"


@dataclass(frozen=True, slots=True)
class ModelPoint:
    """One value of a metric of a logged model, on a dataset or on none ("")."""

    point: Point
    run: str
    dataset: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model as a run logged it, before anybody registers it.

    Attributes:
        row: Its number in the tables.
        id: `m-` and 32 hexadecimal digits.
        run: The run that made it; "" = none is known.
        artifacts: URI under which its files lie.
        points: The newest value of each metric on each dataset, from each run.
    """

    row: int
    id: str
    experiment: int
    name: str
    type: str
    run: str
    status: ModelStatus
    state: Stage
    artifacts: str
    created_ms: int
    updated_ms: int
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: tuple[ModelPoint, ...] = ()
