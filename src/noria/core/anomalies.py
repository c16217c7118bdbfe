"""Values about single requests that are far from all that a version was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from noria.core.joint import ChunkLimit, Coordinate
from noria.core.traffic import Answer, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyReference:
    """From which distance on a single request counts as anomalous, and how often usual ones do; a blob of its own.

    Attributes:
        coordinates: One per feature that is looked at.
        sample: Digest of a Parquet blob with rows of the reference, features raw.
        neighbours: The score is the mean distance to this many nearest rows of the sample.
        threshold: The quantile 1 − `share` of the scores of rows outside the sample.
        share: The rate expected of usual requests; `share_low` to `share_high` is its 95 % interval,
            since a quantile of so many rows is itself uncertain.
        shares: Of the share beyond the threshold in one chunk.
        rows: Rows that the quantile was taken of.
    """

    chunk: str
    coordinates: tuple[Coordinate, ...]
    neighbours: int
    threshold: float
    share: float
    share_low: float
    share_high: float
    shares: ChunkLimit
    rows: int
    sample: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarFeature:
    """One reason why a request is far: a feature that is not what it is in the nearest rows of the reference.

    Attributes:
        value: As it was asked, in words.
        nearby: What it is in the nearest rows, in words.
        usual: What it is in the whole reference, in words.
        share: Of the squared distance, 0 to 1.
    """

    name: str
    value: str
    nearby: str
    usual: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One of the nearest rows of the reference, with its features raw."""

    distance: float
    features: Mapping[str, Scalar]


class AnomalyState(StrEnum):
    """Whether a person has looked at it, and what they thought of it."""

    OPEN = "open"
    SEEN = "seen"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalousRequest:
    """A request that lies farther out than nearly all of the reference, for a person to open.

    Attributes:
        number: Counts the loop's anomalous requests from 1; the queue keeps the newest `QUEUE`.
        time: Event time of the request.
        features: As the model saw them.
        inputs: As they were asked.
        far: Why, largest share first.
        neighbours: The nearest rows of the reference, nearest first.
        by, reason, decided_at: Who has seen or dismissed it, why and when (event time).
    """

    loop: str
    number: int
    request_id: str
    version: int
    time: datetime
    score: float
    threshold: float
    far: tuple[FarFeature, ...]
    neighbours: tuple[Neighbour, ...]
    features: Mapping[str, Scalar]
    inputs: Mapping[str, Scalar] = field(default_factory=dict)
    answer: Answer | None = None
    state: AnomalyState = AnomalyState.OPEN
    by: str = ""
    reason: str = ""
    decided_at: datetime | None = None

    @property
    def id(self) -> str:
        """The loop's name and the number, as people type it."""
        return f"{self.loop}-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyQueue:
    """How many anomalous requests a loop ever had; the newest `QUEUE` of them are kept."""

    loop: str
    pushed: int = 0


QUEUE = 1_000
"""Anomalous requests of a loop that are kept; an older one gives its place to a newer one."""


def place_of(loop: str, number: int) -> str:
    """The key of an anomalous request: its place in the ring of `QUEUE` places."""
    return f"{loop}/{number % QUEUE:04d}"
