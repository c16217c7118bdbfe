"""Values of the registry: versions and the history of their aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from noria.core.graphs import GraphForm
from noria.core.judging import Scorecard, Verdict
from noria.core.schema import Signature, Task
from noria.core.training import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A registered candidate with everything that it was made from.

    Attributes:
        number: 1, 2, 3 … within the model.
        reference: Digest of the drift reference (`noria.core.watching.DriftReference`).
        code: Digest of the code snapshot; the data plane runs its on-demand transforms. "" = all inputs are plain.
        origin: Where a version that no loop made came from: a file's name, or the `LOOP@3` that it is.
        family: Digest of the `noria.core.traffic.Family` of which the candidate is the parent; "" = it answers alone.
    """

    model: str
    number: int
    candidate: Candidate
    scorecard: Scorecard
    verdict: Verdict
    feature_set: str
    datasets: tuple[str, ...]
    reference: str
    code: str
    turn: str
    created_at: datetime
    origin: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A named endpoint whose versions people deploy: no loop stands behind it.

    Attributes:
        version: The number that answers; None once it was taken away.
        origin: Where that version came from, see `ModelVersion.origin`.
        format: What its model was saved as.
        code: Digest of the code that its features need, "" = all inputs are plain.
        pinned: Whether its model stays loaded, however many others there are.
        members: Of a graph: the deployments that it asks.
        by: Who deployed that version.
        created_at, deployed_at: When the name was first used, and when this version began to answer.
    """

    name: str
    version: int | None
    origin: str
    format: str
    task: Task
    by: str
    created_at: datetime
    deployed_at: datetime
    code: str = ""
    pinned: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A model as somebody brings it.

    Attributes:
        model: The bytes of its file; empty where `version` says which one it is.
        version: A registered version, such as "late-arrival@3".
        graph: Instead of a model: deployments that are asked together.
        origin: What the file was called.
        signature: What it takes and gives; None = as the file says.
        example: Rows as callers will send them.
        answers: The column of the example with what the model answered where it was made.
        canary: Percent of the requests that it answers first, step by step; empty = it answers all at once.
    """

    model: bytes = b""
    version: str = ""
    graph: GraphForm | None = None
    origin: str = ""
    signature: Signature | None = None
    example: Sequence[Mapping[str, Any]] = ()
    answers: str = ""
    canary: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """One line of an alias's history: who moved it from where to where, when and why."""

    model: str
    alias: str
    before: int | None
    after: int | None
    by: str
    reason: str
    at: datetime
    turn: str = ""
