"""Values of experiments and their runs: what was tried, with which parameters, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric.

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
