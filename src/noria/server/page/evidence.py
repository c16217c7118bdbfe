"""What a turn has to show for itself: its version, or what its steps left behind when none was registered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from noria.core.judging import Scorecard, Verdict
from noria.core.registry import ModelVersion
from noria.core.training import Candidate, Members, Recipe
from noria.core.turning import Step

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The parts of a candidate's story that are known so far."""

    scorecard: Scorecard | None
    verdict: Verdict | None
    recipe: Recipe | None
    candidate: Candidate | None
    version: ModelVersion | None
    members: Members | None = None


def evidence(version: ModelVersion | None, steps: Sequence[Step]) -> Evidence:
    """Take it from the registered version, else from the results of the steps."""
    if version:
        return Evidence(
            scorecard=version.scorecard,
            verdict=version.verdict,
            recipe=version.candidate.recipe,
            candidate=version.candidate,
            version=version,
            members=_left_by(steps, Members),
        )
    return Evidence(
        scorecard=_left_by(steps, Scorecard),
        verdict=_left_by(steps, Verdict),
        recipe=_left_by(steps, Recipe),
        candidate=_left_by(steps, Candidate),
        version=None,
        members=_left_by(steps, Members),
    )


def _left_by(steps: Sequence[Step], kind: type[T]) -> T | None:
    """The newest value of a kind among the results, at their top or one level below."""
    for step in reversed(steps):
        for value in _parts(step.result):
            try:
                return msgspec.convert(value, kind)
            except msgspec.ValidationError:
                continue
    return None


def _parts(result: str) -> list[dict[str, Any]]:
    try:
        top = json.loads(result) if result else None
    except ValueError:
        return []
    below = list(top.values()) if isinstance(top, dict) else top if isinstance(top, list) else []
    return [part for part in (top, *below) if isinstance(part, dict)]
