"""How a challenger may be brought in without a growing share: unseen only, all at once, or within each ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Literal

from noria.core.declaration.tolerance import GUARDED, TOLERATED, UNSEEN, Guarding
from noria.core.moments import duration


@dataclass(frozen=True, slots=True)
class Shadow(Guarding):
    """Let the challenger compute what the champion answers, and let no user meet it.

    Args:
        rows: Requests to compute before anything is decided.
        then: What follows when no guard speaks of harm: "ask" a person (`noria approve`, or
            `--refuse`), "promote" it, or "leave": it was only to be seen.
        guard: As for `Canary`, but nothing that users must have felt: "latency", "operations" and
            business numbers say nothing of a shadow. Each must have spoken before anything follows.
        max_rows: Requests after which a guard that is silent or in doubt ends it.
        margin, confidence, timeout_ms: As for `Canary`.
    """

    rows: int = 5_000
    _: KW_ONLY
    then: Literal["ask", "promote", "leave"] = "ask"
    guard: Sequence[str] = UNSEEN
    margin: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 0.95
    max_rows: int = 50_000
    timeout_ms: float = 250.0

    @property
    def shadow_rows(self) -> int:
        """All of it is shadow."""
        return self.rows

    @property
    def min_rows(self) -> int:
        """The same number."""
        return self.rows


@dataclass(frozen=True, slots=True, init=False)
class BlueGreen:
    """Move all traffic at once to a challenger that is warm, and keep the old version ready until it has proved itself.

    The old version ("blue") stays loaded, computes unseen what the challenger answers, and takes
    over each request in which the challenger fails. The way back loads nothing: it is one change of
    the plan.

    Args:
        bake: How long the old version stays ready. Only then is the challenger champion.
        min_rows: Requests the challenger must have answered in that time.
        guard: As for `Canary`. Errors, answers and metrics are held against what blue computes for the
            same requests; latency and operations against the champion's own last day. A business
            number has nothing to be held against here.
        shadow_rows: Requests that warm the challenger and are guarded first; at least 100.
        margin, confidence, timeout_ms, max_rows: As for `Canary`.
    """

    bake: timedelta
    min_rows: int
    guard: tuple[str, ...]
    margin: Mapping[str, float]
    shadow_rows: int
    confidence: float
    max_rows: int
    timeout_ms: float

    def __init__(
        self,
        bake: str | timedelta = "2h",
        *,
        min_rows: int = 1_000,
        guard: Sequence[str] = GUARDED,
        margin: Mapping[str, float] | None = None,
        shadow_rows: int = 500,
        confidence: float = 0.95,
        max_rows: int = 50_000,
        timeout_ms: float = 250.0,
    ) -> None:
        object.__setattr__(self, "bake", duration(bake))
        object.__setattr__(self, "min_rows", min_rows)
        object.__setattr__(self, "guard", tuple(guard))
        object.__setattr__(self, "margin", {**TOLERATED, **(margin or {})})
        object.__setattr__(self, "shadow_rows", shadow_rows)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "max_rows", max_rows)
        object.__setattr__(self, "timeout_ms", timeout_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleave(Guarding):
    """Let both versions of a ranker draft one order for each query, and see whose rows are chosen.

    Each user compares both versions at once, so it takes far fewer queries than an A/B test does.
    For loops of the task "ranking", whose outcomes are clicks (or other gains) of single rows.

    Args:
        metric: "wins": in which queries either version's rows gained more; or "gain": by how much more
            per query.
        min_effect: How much better at least: the lead in wins, -1 to 1, or the gain per query.
        min_queries: Queries with an outcome before it may win.
        max_queries: Queries after which no preference is given up (futility).
        guard, margin, shadow_rows, confidence, timeout_ms: As for `Canary`. Every user waits for both
            versions, so latency is held against the champion's own last day.

    Source: Radlinski, Kurup and Joachims 2008; Chapelle, Joachims, Radlinski and Yue 2012.
    """

    metric: Literal["wins", "gain"] = "wins"
    min_effect: float = 0.0
    min_queries: int = 200
    max_queries: int = 20_000
    guard: Sequence[str] = GUARDED
    margin: Mapping[str, float] = field(default_factory=dict)
    shadow_rows: int = 500
    confidence: float = 0.95
    timeout_ms: float = 250.0

    @property
    def min_rows(self) -> int:
        """In queries."""
        return self.min_queries

    @property
    def max_rows(self) -> int:
        """In queries."""
        return self.max_queries
