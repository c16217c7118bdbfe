"""How a challenger may be brought in on a share of traffic: step by step, by a fixed split, or following the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

from noria.core.declaration.tolerance import GUARDED, TOLERATED, Guarding


@dataclass(frozen=True, slots=True, init=False)
class Canary:
    """Bring a challenger in step by step, first unseen (shadow), then on a growing share of traffic.

    Args:
        steps: Percent of traffic per step, ascending; 100 means promote.
        min_rows: Requests the challenger must have answered in a step before the next.
        guard: What is compared at each look: "errors", "latency", "agreement" (with the champion, against
            held-out rows: it needs no outcomes), "nan" (answers that are no finite number), "distribution"
            (of the answers, held against the champion's on the same traffic), "operations" (a score over
            all operational metrics that holds a challenger, but never takes it out), metrics of the task,
            and "business:NAME", a number that comes with feedback ("business:-NAME" where less is better).
        margin: Guard to the harm that is still tolerated (quality: 0.02, errors: 0.005, latency: 1.0 = may
            be twice as slow, agreement: 0.3, nan: 0.001, distribution: 0.2), defaults as said; a business
            number has none, so it must be named.
        shadow_rows: Requests to shadow first; 0 for none.
        confidence: Of each sequential test, before Bonferroni over the guards.
        max_rows: Requests per step after which "undecided" ends in rollback (futility).
        timeout_ms: The challenger has this long per request, then the champion answers.
    """

    steps: tuple[float, ...]
    min_rows: int
    guard: tuple[str, ...]
    margin: Mapping[str, float]
    shadow_rows: int
    confidence: float
    max_rows: int
    timeout_ms: float

    def __init__(
        self,
        steps: Sequence[float] = (1, 10, 50, 100),
        *,
        min_rows: int = 500,
        guard: Sequence[str] = GUARDED,
        margin: Mapping[str, float] | None = None,
        shadow_rows: int = 500,
        confidence: float = 0.95,
        max_rows: int = 50_000,
        timeout_ms: float = 250.0,
    ) -> None:
        object.__setattr__(self, "steps", tuple(float(s) for s in steps))
        object.__setattr__(self, "min_rows", min_rows)
        object.__setattr__(self, "guard", tuple(guard))
        object.__setattr__(self, "margin", {**TOLERATED, **(margin or {})})
        object.__setattr__(self, "shadow_rows", shadow_rows)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "max_rows", max_rows)
        object.__setattr__(self, "timeout_ms", timeout_ms)


@dataclass(frozen=True, slots=True)
class AB(Guarding):
    """Split traffic at a fixed share and promote the challenger only when it is shown to be better.

    Each arm is judged on what it answered itself, so an answer may change the outcome. That costs
    rows: a canary with a guard on the metric is far quicker where an answer changes nothing.

    Args:
        share: Percent of keys that the challenger answers, for as long as the test runs.
        metric: What it must be better in; a smooth metric of the task.
        min_effect: By how much at least, in units of the metric.
        min_rows: Requests the challenger must have answered before it may win.
        max_rows: The challenger's requests with outcomes after which no difference is given up (futility).
        guard, margin, shadow_rows, confidence, timeout_ms: As for `Canary`; `margin[metric]` is the
            harm in the metric that ends the test.
    """

    share: float = 50.0
    _: KW_ONLY
    metric: str
    min_effect: float = 0.0
    min_rows: int = 500
    max_rows: int = 20_000
    guard: Sequence[str] = GUARDED
    margin: Mapping[str, float] = field(default_factory=dict)
    shadow_rows: int = 500
    confidence: float = 0.95
    timeout_ms: float = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandit(Guarding):
    """Let traffic follow the evidence: the challenger's share is the chance that it is better.

    It earns while it learns, and pays with proof: a bandit calls an equal challenger better more
    often than an `AB` does. Not for decisions that must treat like people alike.

    Args:
        metric: What "better" means; a smooth metric of the task, compared in pairs.
        floor: Least share of either version, between 0 and 0.5.
        step: How far the share may move at one look.
        min_rows: Pairs with outcomes before it may win; also the weight of the prior "no difference".
        max_rows: Pairs with outcomes after which it leaves undecided (futility).
        guard, margin, shadow_rows, confidence, timeout_ms: As for `Canary`.
    """

    metric: str
    floor: float = 0.05
    step: float = 0.1
    min_rows: int = 500
    max_rows: int = 20_000
    guard: Sequence[str] = GUARDED
    margin: Mapping[str, float] = field(default_factory=dict)
    shadow_rows: int = 500
    confidence: float = 0.95
    timeout_ms: float = 250.0
