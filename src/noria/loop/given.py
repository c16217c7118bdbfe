"""What metrics need to know of a version besides outcomes and answers: its threshold, and what answers cost."""

from __future__ import annotations

from noria.core.training import Candidate
from noria.stages.evaluation.given import Given


def given_of(candidate: Candidate) -> Given:
    """The threshold that its labels are made with, and the costs that it was chosen by."""
    costs = None if candidate.choice is None else candidate.choice.costs
    return Given(threshold=candidate.signature.threshold, costs=costs)
