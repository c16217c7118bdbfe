"""Guards on the answers themselves, held against the champion's to the same traffic: differences are the model's."""

from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.schema import Estimate, Task
from noria.core.traffic import Role
from noria.core.turning import GuardReading, Rollout
from noria.loop.evidence import GUARD_ROWS, Evidence, in_force, on_same_requests
from noria.loop.outcomes import answers
from noria.stages.evaluation import sequential
from noria.stages.evaluation.measured import Codes
from noria.stages.evaluation.sequential_answers import Arm, guard_distribution


def agreement(margin: float, alpha: float, expected: Estimate, evidence: Evidence) -> GuardReading:
    """How far both versions put the same requests in the same order, whatever came of them."""
    both = on_same_requests(_answered(evidence))
    return sequential.guard_agreement(
        answers(both, evidence.task),
        answers(both, evidence.task, " of challenger"),
        expected=expected,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def distribution(margin: float, alpha: float, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """How answers are spread: in pairs where the other version computed the same requests, else between the arms of this step."""
    told = _answered(evidence)
    both = on_same_requests(told).sort("time", maintain_order=True)
    if both.height:
        units = codes(both)
        arms = [Arm(answers=answers(both, evidence.task, suffix), units=units) for suffix in ("", " of challenger")]
    else:
        rows = in_force(rollout, evidence.rows, told)
        arms = [_arm(rows.filter(pl.col("role") == role), evidence.task) for role in (Role.CHAMPION, Role.CHALLENGER)]
    return guard_distribution(*arms, paired=both.height > 0, margin=margin, alpha=alpha, min_n=GUARD_ROWS)


def codes(rows: pl.DataFrame) -> Codes:
    """The key of each row as a number from 0."""
    return np.unique(rows["key"].to_numpy(), return_inverse=True)[1].astype(np.intp)


def _arm(rows: pl.DataFrame, task: Task) -> Arm:
    return Arm(answers=answers(rows, task), units=codes(rows))


def _answered(evidence: Evidence) -> pl.DataFrame:
    wide = "answers" if evidence.task is Task.MULTICLASS else "answer"
    return evidence.rows.filter(pl.col("error") == "").drop_nulls(wide)
