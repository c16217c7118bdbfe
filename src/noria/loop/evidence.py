"""What the traffic of a rollout showed so far, and which of it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from noria.core.schema import Estimate, Task
from noria.core.traffic import Role
from noria.core.turning import Rollout, RolloutPhase
from noria.stages.evaluation import sequential
from noria.stages.evaluation.given import PLAIN
from noria.stages.evaluation.sequential import Versions
from noria.stages.serving.routing import bucket

SAMPLE_RATIO_ALPHA = 0.001
GUARD_ROWS = 100
"""Rows per arm before a guard says anything."""
INTERLEAVED, BLUE_GREEN = "interleave", "bluegreen"
"""Kinds of rollout in which no key is dealt to one side: every request is answered by both, or by the challenger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the traffic of a rollout showed so far.

    Attributes:
        rows: The prediction log since the rollout began, one row per answer.
        outcomes: The same with the outcomes that were told, column `outcome`, as metrics want them.
        design_effect: Of each compared metric, from the scorecard (see `Scorecard`).
        agreement: Of challenger and champion on held-out rows, from the scorecard too; None = they cannot be compared.
        given: What metrics need to know of champion and challenger: thresholds, costs.
        business: Numbers that came with feedback, one row per request: `request_id` and a column for each name.
        past: The champion's answers on its last day before users met the challenger.
    """

    rows: pl.DataFrame
    outcomes: pl.DataFrame
    task: Task
    design_effect: Mapping[str, float] = field(default_factory=dict)
    agreement: Estimate | None = None
    given: Versions = (PLAIN, PLAIN)
    business: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"request_id": pl.String}))
    past: pl.DataFrame | None = None


def on_same_requests(rows: pl.DataFrame) -> pl.DataFrame:
    """Requests that both versions answered, one of them unseen; the challenger's columns end in " of challenger"."""
    champion = rows.filter(pl.col("role").is_in([Role.CHAMPION, Role.CONTROL]))
    challenger = rows.filter(pl.col("role").is_in([Role.SHADOW, Role.CHALLENGER]))
    return champion.join(challenger, on="request_id", suffix=" of challenger")


def in_force(rollout: Rollout, rows: pl.DataFrame, of: pl.DataFrame | None = None) -> pl.DataFrame:
    """Rows of this step after the first one that shows that the data plane follows it.

    A plan takes a moment to arrive. The proof is a row whose key the step before would have sent
    to the other side; that row itself is left out, as it was chosen by what it is.

    Args:
        of: The frame to take rows from, if it is another than the one that holds the proof.
    """
    of = rows if of is None else of
    if rollout.phase is RolloutPhase.SHADOW:
        return of.filter(pl.col("time") >= rollout.step_started_at)
    if rollout.kind == INTERLEAVED:
        drafted = rows.filter(pl.col("time") >= rollout.step_started_at, pl.col("role") == Role.CHALLENGER)["time"].min()
        return of.head(0) if drafted is None else of.filter(pl.col("time") >= drafted)
    before = rollout.steps[rollout.step - 1] / 100 if rollout.step > 0 else 0.0
    grew = rollout.share > before
    tried = rows.filter(pl.col("time") >= rollout.step_started_at, pl.col("role") == (Role.CHALLENGER if grew else Role.CHAMPION))
    new = (time for time, key in tried.select("time", "key").iter_rows() if (bucket(rollout.id, key) >= before) is grew)
    first = next(new, None)
    return of.filter(pl.col("time") > first) if first is not None else of.head(0)


def touched(rows: pl.DataFrame) -> tuple[int, int]:
    """Requests that the challenger was asked to answer, and those in which it failed."""
    tried = rows.filter(pl.col("role") == Role.CHALLENGER)
    return tried["request_id"].n_unique(), tried.filter(pl.col("error") != "")["request_id"].n_unique()


def skewed(rollout: Rollout, rows: pl.DataFrame) -> str:
    """Why the split is not what was planned, or ""; `rows` are those in force."""
    if rollout.phase is not RolloutPhase.CANARY or rollout.kind == INTERLEAVED:
        return ""
    challenger = rows.filter(pl.col("role") == Role.CHALLENGER)["key"].n_unique()
    champion = rows.filter(pl.col("role") == Role.CHAMPION)["key"].n_unique()
    if challenger + champion < GUARD_ROWS:
        return ""
    p = sequential.sample_ratio(challenger, champion, share=rollout.share)
    if p >= SAMPLE_RATIO_ALPHA:
        return ""
    return f"sample ratio: {challenger:,} of {challenger + champion:,} keys, {rollout.share:.1%} planned (p {p:.1g}); the comparison is not fair"
