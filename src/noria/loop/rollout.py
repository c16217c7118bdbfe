"""Brings a challenger in step by step, and takes it out again as soon as the evidence says harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import polars as pl

from noria.core.declaration.loop import Canary
from noria.core.schema import Task
from noria.core.traffic import Role
from noria.core.turning import GuardReading, Rollout, RolloutPhase
from noria.stages.evaluation import sequential
from noria.stages.serving.routing import bucket

LATENCY_GRACE_MS = 20.0
"""Latencies are compared as log(this + latency): below it nobody feels a difference."""
SAMPLE_RATIO_ALPHA = 0.001
GUARD_ROWS = 100
"""Rows per arm before a guard says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the traffic of a rollout showed so far.

    Attributes:
        rows: The prediction log since the rollout began, one row per answer.
        outcomes: The same with the outcomes that were told, column `outcome`.
        design_effect: Of each guarded metric, from the scorecard (see `Scorecard`).
    """

    rows: pl.DataFrame
    outcomes: pl.DataFrame
    task: Task
    classes: Sequence[str]
    design_effect: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look came to: the rollout as it stands now, and what happened if anything did."""

    rollout: Rollout
    happened: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def numbers(self) -> Mapping[str, float]:
        """Every guard's numbers, for the ledger."""
        said: dict[str, float] = {"touched": self.rollout.touched, "failed": self.rollout.failed}
        for guard in self.rollout.looks:
            said |= {f"{guard.guard}": guard.difference.value, f"{guard.guard} p": guard.p_value, f"{guard.guard} n": guard.challenger_n}
        return said


def begin(canary: Canary, *, id: str, loop: str, turn: str, champion: int, challenger: int, now: datetime) -> Rollout:
    """A rollout at its foot: in the shadow, or on the first step where no shadow is asked for."""
    shadow = canary.shadow_rows > 0
    return Rollout(
        id=id,
        loop=loop,
        turn=turn,
        champion=champion,
        challenger=challenger,
        steps=canary.steps,
        phase=RolloutPhase.SHADOW if shadow else RolloutPhase.CANARY,
        step=-1 if shadow else 0,
        share=0.0 if shadow else canary.steps[0] / 100,
        started_at=now,
        step_started_at=now,
        timeout_ms=canary.timeout_ms,
    )


def look(rollout: Rollout, canary: Canary, evidence: Evidence, now: datetime) -> Look:
    """Weigh all guards and take at most one step: up, out, or none.

    Harm on any guard takes the challenger out at once. It goes up when it has answered `min_rows`
    requests of this step, every guard has had enough rows to speak, and none speaks of harm.
    The guards' tests are always valid, so looking often costs nothing; their error is split
    evenly over the guards, and for those that begin anew on each step over the steps too (Bonferroni).
    """
    readings = tuple(_weigh(guard, canary, evidence, rollout) for guard in canary.guard)
    touched, failed = _touched(evidence.rows)
    counted = replace(rollout, looks=readings, touched=touched, failed=failed)
    harm = [guard for guard in readings if guard.verdict == "harm"]
    if harm:
        return _out(counted, now, [said(guard) for guard in harm])
    skew = _sample_ratio(counted, evidence.rows)
    if skew is not None:
        return _out(counted, now, [skew])
    rows = _in_force(counted, evidence.rows).filter(pl.col("role") == _role(counted)).height
    wanted = canary.shadow_rows if counted.phase is RolloutPhase.SHADOW else canary.min_rows
    silent = [guard.guard for guard in readings if guard.verdict == "not-enough-data" and _must_speak(counted, guard.guard)]
    if rows < wanted or (silent and rows < canary.max_rows):
        return Look(rollout=replace(counted, reason=_waits_for(rows, wanted, silent)))
    if silent:
        return _out(counted, now, [f"after {rows:,} rows there is still not enough data on {', '.join(silent)}"])
    return _up(counted, canary, now, rows)


def out(rollout: Rollout, now: datetime, reason: str) -> Look:
    """Take the challenger out by a person's order."""
    return _out(rollout, now, [reason])


def said(guard: GuardReading) -> str:
    """One guard's reading as a sentence."""
    d = guard.difference
    if guard.verdict == "not-enough-data":
        return f"{guard.guard}: not enough data yet ({guard.champion_n:,} champion rows, {guard.challenger_n:,} challenger rows)"
    word = {"harm": "harm", "no-harm": "no harm", "undecided": "no harm seen"}[guard.verdict]
    return (
        f"{guard.guard}: {word}; challenger worse by {d.value:+.4g} [{d.low:+.4g}, {d.high:+.4g}], margin {guard.margin:g}, "
        f"p {guard.p_value:.2g}, {guard.challenger_n:,} rows"
    )


def _up(rollout: Rollout, canary: Canary, now: datetime, rows: int) -> Look:
    following = rollout.step + 1
    reasons = (f"{rows:,} rows on {_place(rollout)} without harm", *(said(guard) for guard in rollout.looks))
    if canary.steps[following] >= 100:
        done = replace(rollout, phase=RolloutPhase.PROMOTED, step=following, share=1.0, ended_at=now, reason=reasons[0])
        return Look(rollout=done, happened="promoted", reasons=reasons)
    share = canary.steps[following] / 100
    higher = replace(rollout, phase=RolloutPhase.CANARY, step=following, share=share, step_started_at=now, reason=reasons[0])
    return Look(rollout=higher, happened="advanced", reasons=(f"to {canary.steps[following]:g} % of traffic", *reasons))


def _out(rollout: Rollout, now: datetime, reasons: Sequence[str]) -> Look:
    ended = replace(rollout, phase=RolloutPhase.ROLLED_BACK, share=0.0, ended_at=now, reason=reasons[0])
    touched = f"it was asked to answer {rollout.touched:,} requests; in {rollout.failed:,} it failed and the champion answered"
    if not rollout.touched:
        touched = "no user's request ever reached it"
    return Look(rollout=ended, happened="rolled-back", reasons=(*reasons, touched))


def _place(rollout: Rollout) -> str:
    return "shadow" if rollout.phase is RolloutPhase.SHADOW else f"{rollout.steps[rollout.step]:g} %"


def _waits_for(rows: int, wanted: int, silent: Sequence[str]) -> str:
    told = [f"{rows:,} of {wanted:,} rows"] if rows < wanted else []
    return "waiting for " + " and ".join([*told, *(f"data on {name}" for name in silent)])


def _must_speak(rollout: Rollout, guard: str) -> bool:
    """In the shadow no user is touched, so nothing waits there for outcomes that are told later."""
    return rollout.phase is not RolloutPhase.SHADOW or guard in ("errors",)


def _role(rollout: Rollout) -> Role:
    return Role.SHADOW if rollout.phase is RolloutPhase.SHADOW else Role.CHALLENGER


def _in_force(rollout: Rollout, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of this step after the first one that shows that the data plane follows it.

    A plan takes a moment to arrive. The proof is a challenger's row whose key the step before
    would have sent to the champion; that row itself is left out, as it was chosen by what it is.
    """
    of_step = rows.filter(pl.col("time") >= rollout.step_started_at)
    if rollout.phase is RolloutPhase.SHADOW:
        return of_step
    before = rollout.steps[rollout.step - 1] / 100 if rollout.step > 0 else 0.0
    tried = of_step.filter(pl.col("role") == Role.CHALLENGER)
    new = (time for time, key in tried.select("time", "key").iter_rows() if bucket(rollout.id, key) >= before)
    first = next(new, None)
    return of_step.filter(pl.col("time") > first) if first is not None else of_step.head(0)


def _touched(rows: pl.DataFrame) -> tuple[int, int]:
    """Requests that the challenger was asked to answer, and those in which it failed."""
    tried = rows.filter(pl.col("role") == Role.CHALLENGER)
    return tried["request_id"].n_unique(), tried.filter(pl.col("error") != "")["request_id"].n_unique()


def _sample_ratio(rollout: Rollout, rows: pl.DataFrame) -> str | None:
    if rollout.phase is not RolloutPhase.CANARY:
        return None
    of_step = _in_force(rollout, rows)
    challenger = of_step.filter(pl.col("role") == Role.CHALLENGER)["key"].n_unique()
    champion = of_step.filter(pl.col("role") == Role.CHAMPION)["key"].n_unique()
    if challenger + champion < GUARD_ROWS:
        return None
    p = sequential.sample_ratio(challenger, champion, share=rollout.share)
    if p >= SAMPLE_RATIO_ALPHA:
        return None
    return f"sample ratio: {challenger:,} of {challenger + champion:,} keys, {rollout.share:.1%} planned (p {p:.1g}); the comparison is not fair"


def _weigh(guard: str, canary: Canary, evidence: Evidence, rollout: Rollout) -> GuardReading:
    """Errors and latency are compared within a step: pooling steps of different shares would compare
    different days (Simpson's paradox). Quality is paired, row by row, so all its rows count.
    """
    alpha = (1 - canary.confidence) / len(canary.guard)
    if guard in ("errors", "latency"):
        of_step = evidence.rows.filter(pl.col("time") >= rollout.step_started_at)
        compare = _errors if guard == "errors" else _latency
        return compare(canary.margin[guard], alpha / (len(canary.steps) + 1), of_step)
    return _quality(guard, canary.margin.get(guard, 0.02), alpha, evidence)


def _errors(margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    champion = rows.filter(pl.col("role") == Role.CHAMPION)
    challenger = rows.filter(pl.col("role").is_in([Role.CHALLENGER, Role.SHADOW]))
    return sequential.guard_rate(
        "errors",
        champion_events=champion.filter(pl.col("error") != "").height,
        champion_n=champion.height,
        challenger_events=challenger.filter(pl.col("error") != "").height,
        challenger_n=challenger.height,
        margin=margin,
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def _latency(margin: float, alpha: float, rows: pl.DataFrame) -> GuardReading:
    """What users felt: shadows wait behind them, so their time says nothing."""
    felt = rows.with_columns(felt=(pl.col("latency_us") / 1000 + LATENCY_GRACE_MS).log())
    return sequential.guard_mean(
        "latency",
        felt.filter(pl.col("role") == Role.CHAMPION)["felt"].to_numpy(),
        felt.filter(pl.col("role") == Role.CHALLENGER)["felt"].to_numpy(),
        margin=float(np.log1p(margin)),
        alpha=alpha,
        min_n=GUARD_ROWS,
    )


def _quality(metric: str, margin: float, alpha: float, evidence: Evidence) -> GuardReading:
    """Paired on the champion's requests, which the challenger also answered unseen."""
    told = evidence.outcomes.filter(pl.col("error") == "")
    shadow = told.filter(pl.col("role") == Role.SHADOW)
    both = told.filter(pl.col("role") == Role.CHAMPION).join(shadow, on="request_id", suffix=" of challenger")
    y = truth(both["outcome"], evidence)
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
    )


def truth(outcome: pl.Series, evidence: Evidence) -> np.ndarray:
    """Outcomes as the metrics want them: 0/1, class codes or floats."""
    if evidence.task is Task.MULTICLASS:
        codes = {label: code for code, label in enumerate(evidence.classes)}
        return np.array([codes.get(str(value), -1) for value in outcome.to_list()], dtype=np.int64)
    return outcome.cast(pl.Float64).to_numpy()


def answers(rows: pl.DataFrame, task: Task, suffix: str = "") -> np.ndarray:
    """Answers as the metrics want them: (n,), or (n, classes)."""
    if task is Task.MULTICLASS:
        return np.array(rows[f"answers{suffix}"].to_list(), dtype=float)
    return rows[f"answer{suffix}"].to_numpy()
