"""Verdicts, gates and estimates as people read them."""

from __future__ import annotations

from noria.core.judging import Outcome, Verdict
from noria.core.schema import Estimate

MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.NEEDS_APPROVAL: "?"}
SENTENCES = {
    Outcome.PASS: "pass: every gate is open",
    Outcome.FAIL: "fail: the candidate meets no user",
    Outcome.NEEDS_APPROVAL: "needs approval: a person decides",
}


def to_text(verdict: Verdict) -> str:
    """A verdict with one line for each gate.

    >>> to_text(Verdict(outcome=Outcome.PASS, results=()))
    'pass: every gate is open'
    """
    lines = [f"  {MARKS[result.outcome]} {result.gate}: {result.reason}" for result in verdict.results]
    return "\n".join([SENTENCES[verdict.outcome], *lines])


def spoken(mark: Estimate, *, signed: bool = False) -> str:
    """An estimate with its interval, four digits: `0.742 [0.7311, 0.7529]`.

    >>> spoken(Estimate(value=0.742, low=0.7311, high=0.7529, n=500))
    '0.742 [0.7311, 0.7529]'
    """
    form = "+.4g" if signed else ".4g"
    return f"{mark.value:{form}} [{mark.low:{form}}, {mark.high:{form}}]"
