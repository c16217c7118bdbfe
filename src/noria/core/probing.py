"""Values of the judge of expected gain: what a probe measured, what is expected of a turn, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from noria.core.schema import Estimate


class Answer(StrEnum):
    """Whether the loop retrains."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The candidate that a turn would make, with the champion's parameters, asked about the newest rows beside the champion.

    Attributes:
        trained_until: Rows before this moment trained it.
        start, end: Event times of the first and the last of the newest rows.
        rows: How many these are.
        rarest: Rows of the rarest outcome among them; the number of rows where numbers are predicted.
        blocks: Blocks of time that they fall into.
        gain: Refit − champion on the same rows, positive = retraining helps; None where the champion cannot answer.
        note: Why something could not be measured.
    """

    metric: str
    start: datetime
    end: datetime
    rows: int
    rarest: int
    blocks: int
    trained_rows: int
    trained_until: datetime
    refit: Estimate
    champion: Estimate | None = None
    gain: Estimate | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGain:
    """By how much an earlier turn's candidate was better than the champion of its day; `seen` says where that was measured."""

    turn: str
    gain: float
    se: float
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a probe and the past together let one expect of retraining, in units of the metric.

    Attributes:
        usual, usual_spread: Mean and standard deviation of the gain before the probe was looked at.
        gain, spread: The same after.
        chance: That the gain is at least `worth`.
        past: Earlier turns that went into it.
    """

    usual: float
    usual_spread: float
    gain: float
    spread: float
    worth: float
    chance: float
    past: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answer to one signal, with its numbers.

    Attributes:
        id: The turn that asked.
        again_at: Event time before which automatic signals are not probed again; None with the answer NOW.
        volume: Predictions of the last 30 days, over which a gain is enjoyed.
    """

    id: str
    loop: str
    at: datetime
    answer: Answer
    reasons: tuple[str, ...]
    probe: Probe
    expectation: Expectation | None = None
    again_at: datetime | None = None
    volume: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
