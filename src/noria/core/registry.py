"""Values of the registry: versions and the history of their aliases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noria.core.judging import Scorecard, Verdict
from noria.core.training import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A registered candidate with everything that it was made from.

    Attributes:
        number: 1, 2, 3 … within the model.
        reference: Digest of the drift reference (`noria.core.watching.DriftReference`).
        code: Digest of the code snapshot; the data plane runs its on-demand transforms.
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
