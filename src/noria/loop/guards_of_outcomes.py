"""Guards on what came of answers: metrics of the task, numbers of the business, and whose rows users chose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from noria.core.declaration.at_once import Interleave
from noria.core.declaration.tolerance import TOLERATED_QUALITY, business_name
from noria.core.traffic import Role
from noria.core.turning import GuardReading, Rollout
from noria.loop.evidence import GUARD_ROWS, Evidence, in_force, on_same_requests
from noria.loop.guards_of_answers import codes
from noria.loop.outcomes import answers
from noria.stages.evaluation import preference, sequential
from noria.stages.evaluation.sequential_units import Told, guard_unit_mean

BETWEEN_ARMS = " between arms"


def paired(metric: str, margin: float, alpha: float, evidence: Evidence) -> GuardReading:
    """Compare on requests that both versions answered, one of them unseen."""
    both = on_same_requests(evidence.outcomes.filter(pl.col("error") == ""))
    y = both["outcome"].cast(pl.Float64).to_numpy()
    return sequential.guard_metric(
        metric,
        task=evidence.task,
        champion=(y, answers(both, evidence.task)),
        challenger=(y, answers(both, evidence.task, " of challenger")),
        paired=True,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
        design_effect=evidence.design_effect.get(metric, 1.0),
        given=evidence.given,
    )


def between_arms(metric: str, margin: float, alpha: float, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """Compare each arm on its own requests, whose outcomes came about under its own answers.

    Both arms live through the same days, so a day's weather cancels out but for how differently it
    touches the two models. That part is known from the pairs: the design effect beyond 1.
    """
    told = in_force(rollout, evidence.rows, evidence.outcomes.filter(pl.col("error") == ""))
    one, other = (told.filter(pl.col("role") == role) for role in (Role.CHAMPION, Role.CHALLENGER))
    effect = max(evidence.design_effect.get(metric, 1.0), 1.0)
    se = paired(metric, margin, alpha, replace(evidence, outcomes=told)).difference.se if effect > 1 else 0.0
    reading = sequential.guard_arms(
        metric,
        task=evidence.task,
        champion=(one["outcome"].cast(pl.Float64).to_numpy(), answers(one, evidence.task)),
        challenger=(other["outcome"].cast(pl.Float64).to_numpy(), answers(other, evidence.task)),
        units=(codes(one), codes(other)),
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
        common=se**2 * (1 - 1 / effect) if np.isfinite(se) else 0.0,
        given=evidence.given,
    )
    return replace(reading, guard=metric + BETWEEN_ARMS)


def business(guard: str, margin: float, alpha: float, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """Compare a number that came with feedback between the requests of either arm that were dealt in this step.

    A request in which the challenger failed is its own, whoever answered it in the end. Only
    requests whose number was told count, so a number of zero must be told too.
    """
    name, sign = business_name(guard)
    dealt = in_force(rollout, evidence.rows).filter(pl.col("role").is_in([Role.CHAMPION, Role.CHALLENGER]))
    if name in evidence.business.columns:
        told = dealt.join(evidence.business.select("request_id", told=name).drop_nulls(), on="request_id")
    else:
        told = dealt.head(0).with_columns(told=pl.lit(0.0))
    one, other = (told.filter(pl.col("role") == role) for role in (Role.CHAMPION, Role.CHALLENGER))
    arms = [Told(values=arm["told"].cast(pl.Float64).to_numpy(), units=codes(arm)) for arm in (one, other)]
    return guard_unit_mean(guard, *arms, margin=margin, alpha=alpha, min_n=GUARD_ROWS, higher_is_worse=sign > 0)


def preferred(strategy: Interleave, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """Whose rows users chose, query by query, where both versions drafted rows."""
    drafted = in_force(rollout, evidence.rows).filter(pl.col("role").is_in([Role.CHAMPION, Role.CHALLENGER]), pl.col("error") == "")
    gains = (
        drafted.join(
            evidence.outcomes.select("request_id", gain=pl.col("outcome").cast(pl.Float64)).unique("request_id"),
            on="request_id",
            how="left",
        )
        .group_by("group", "time")
        .agg(
            told=pl.col("gain").is_not_null().any(),
            both=pl.col("role").n_unique() == 2,
            champion=pl.col("gain").filter(pl.col("role") == Role.CHAMPION).fill_null(0.0).sum(),
            challenger=pl.col("gain").filter(pl.col("role") == Role.CHALLENGER).fill_null(0.0).sum(),
        )
        .filter("told", "both")
        .sort("time", "group")
    )
    compare = preference.by_wins if strategy.metric == "wins" else preference.by_gain
    return compare(
        gains["champion"].to_numpy(),
        gains["challenger"].to_numpy(),
        margin=strategy.margin.get(preference.GUARD, TOLERATED_QUALITY),
        alpha=1 - strategy.confidence,
        min_n=GUARD_ROWS,
    )
